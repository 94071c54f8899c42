"""Writes ciphers.json: AES-256-GCM under counter nonces and AES-256-CTR slots by the Python package cryptography.

    python3 -m venv venv && venv/bin/pip install cryptography==50.0.2
    venv/bin/python make_ciphers.py > ciphers.json

Every key is SHA-256 of a name, so a second run gives the same values.
"""

import hashlib
import json
from importlib.metadata import version

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

COUNTERS = [0, 1, 255, 256, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**32 + 1, 2**40 + 7, 2**52 + 3]
# Sequence numbers: starts, borders of blocks and of 32 bits of the block counter (15 blocks a slot), the last of 32 bits.
SEQUENCES = [0, 1, 15, 16, 31, 47, 48, 286331152, 286331153, 286331154, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1]
CELL_BYTES = 232
BLOCK_BYTES = 16


def secret(name, length=32):
    blocks = [hashlib.sha256(f"herd cipher vector {name} {block}".encode()).digest() for block in range(length // 32 + 1)]
    return b"".join(blocks)[:length]


def sealed(row, counter):
    key = secret(f"key {row}")
    plain = secret(f"plain {row}", 7 * row)
    additional = secret(f"additional {row}", 3 * row)
    # Noise's layout for AESGCM: 32 zero bits, then the counter as 64 bits, big-endian.
    nonce = bytes(4) + counter.to_bytes(8, "big")
    return {
        "row": row,
        "key": key.hex(),
        "counter": counter,
        "additional": additional.hex(),
        "plain": plain.hex(),
        "sealed": AESGCM(key).encrypt(nonce, plain, additional).hex(),
    }


def slot(row, key, sequence):
    block = sequence * -(-CELL_BYTES // BLOCK_BYTES)
    encryptor = Cipher(algorithms.AES(key), modes.CTR(block.to_bytes(16, "big"))).encryptor()
    return {"row": row, "sequence": sequence, "keystream": encryptor.update(bytes(CELL_BYTES)).hex()}


KEYSTREAM_KEY = secret("keystream")
print(
    json.dumps(
        {
            "birth": {
                "origin": f"cryptography {version('cryptography')}",
                "generator": "make_ciphers.py",
                "seed": "SHA-256 of names",
            },
            "aead": [sealed(row, counter) for row, counter in enumerate(COUNTERS, 1)],
            "keystream": {
                "key": KEYSTREAM_KEY.hex(),
                "cellBytes": CELL_BYTES,
                "slots": [slot(row, KEYSTREAM_KEY, sequence) for row, sequence in enumerate(SEQUENCES, 1)],
            },
        },
        indent=2,
    )
)
