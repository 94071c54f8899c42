"""Writes ratchet.json: keys that follow one another, end-to-end cells under them, digits of channel bindings.

    python3 -m venv venv && venv/bin/pip install cryptography==50.0.2
    venv/bin/python make_ratchet.py > ratchet.json

Every secret is SHA-256 of a name, so a second run gives the same values.
"""

import hashlib
import json
import struct
from importlib.metadata import version

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

GENERATION = 32768
# First counters: the first ones, in the middle, just before a boundary, near the end of what a client starts with.
FIRSTS = [0, 1, 20000, 3 * GENERATION - 1, 2**31 - 1]
GENERATIONS = 5
VOICE_BYTES = {"A": 160, "B": 80}
START_US = 1_800_000_000_000_000
REKEY_US = 120_000_000
SAS_ROWS = 12


def secret(*name):
    return hashlib.sha256(" ".join(str(part) for part in ("herd ratchet vector", *name)).encode()).digest()


def hkdf(key, purpose):
    return HKDF(SHA256(), 32, None, purpose.encode()).derive(key)


def working_keys(key, count):
    keys = []
    for _ in range(count):
        keys.append(hkdf(key, "use"))
        key = hkdf(key, "next")
    return keys


def chain(row, first):
    key = secret("chain", row)
    start = first // GENERATION * GENERATION
    begins = [first] + [start + n * GENERATION for n in range(1, GENERATIONS)]
    return {
        "row": row,
        "key": key.hex(),
        "first": first,
        "generations": [
            {"counter": counter, "use": use.hex()} for counter, use in zip(begins, working_keys(key, GENERATIONS))
        ],
    }


def call(row, profile):
    """What one end sends that has heard nothing: a cell now and one at the end of each key's time."""
    key = secret("call", row)
    cells = []
    for counter, use in enumerate(working_keys(key, GENERATIONS)):
        now = START_US + counter * REKEY_US
        voice = b"".join(secret("voice", row, counter, block) for block in range(8))[: VOICE_BYTES[profile]]
        # kind, length of the voice, hold (none), sent, echo (none)
        header = struct.pack(">BBHII", 1, len(voice), 0xFFFF, now % 2**32, 0)
        sealed = AESGCM(use).encrypt(struct.pack(">IQ", 0, counter), header + voice, None)
        parity = counter % 2
        cells.append(
            {
                "now": now,
                "voice": voice.hex(),
                "cell": (struct.pack(">I", parity << 31 | counter) + sealed).hex(),
            }
        )
    return {"row": row, "profile": profile, "key": key.hex(), "cells": cells}


def digits(binding):
    number = int.from_bytes(hkdf(binding, "herd sas")[:8], "big") % 10**6
    return f"{number // 1000:03} {number % 1000:03}"


def bindings():
    """The first ones, and the first two whose digits begin with zeros at either group."""
    plain = [secret("binding", number) for number in range(SAS_ROWS)]
    for wanted in (lambda text: text[0] == "0", lambda text: text[4] == "0"):
        found = 0
        number = SAS_ROWS
        while found < 2:
            candidate = secret("binding", number)
            number += 1
            if wanted(digits(candidate)):
                plain.append(candidate)
                found += 1
    return plain


print(
    json.dumps(
        {
            "birth": {
                "origin": f"cryptography {version('cryptography')}; the scheme is ours",
                "generator": "make_ratchet.py",
                "seed": "SHA-256 of names",
                "specification": "RFC 5869 (HKDF-SHA-256, no salt), AES-256-GCM",
            },
            "chains": [chain(row, first) for row, first in enumerate(FIRSTS, 1)],
            "calls": [call(row, profile) for row, profile in enumerate(VOICE_BYTES, 1)],
            "sas": [
                {"row": row, "binding": binding.hex(), "digits": digits(binding)}
                for row, binding in enumerate(bindings(), 1)
            ],
        },
        indent=2,
    )
)
