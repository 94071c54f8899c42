"""Writes receipt.json: receipts of two superpeers, made from nodes/wire/WIRE.md 7 and 8 alone.

    python3 -m venv venv && venv/bin/pip install cryptography==48.0.0
    venv/bin/python make_receipt.py > receipt.json

Every secret is SHA-256 of a name, and Ed25519 draws nothing, so a second run gives the same values.
"""

import base64
import hashlib
import json
from importlib.metadata import version

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ZONE = "eu"
DAY = 86_400_000
FROM = 1_893_456_000_000
EPOCH = 900_000
ISSUED = FROM + DAY + 60_000


def key(name):
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def public(private):
    return base64.b64encode(private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def signed(private, context, said):
    text = json.dumps(said)
    signature = private.sign(f"{context}\n{text}".encode())
    return {"text": text, "signature": base64.b64encode(signature).decode()}


ROOT, SIGNING = key("root"), key("signing")
EPOCH_START = ISSUED // EPOCH * EPOCH
CERTIFICATE = signed(
    ROOT,
    "herd-signing-v1",
    {
        "zone": ZONE,
        "signingKey": public(SIGNING),
        "from": EPOCH_START - 300_000,
        "until": EPOCH_START + DAY + 2 * EPOCH,
    },
)


def receipt(superpeer, **rounds):
    said = {
        "zone": ZONE,
        "superpeer": superpeer,
        "identityKey": public(key(superpeer)),
        "from": FROM,
        "until": FROM + DAY,
        **rounds,
        "issuedAt": ISSUED,
    }
    return {"says": said, "signed": {**signed(SIGNING, "herd-receipt-v1", said), "certificate": CERTIFICATE}}


print(
    json.dumps(
        {
            "birth": {
                "origin": f"cryptography {version('cryptography')}, Ed25519",
                "generator": "make_receipt.py",
                "seed": "SHA-256 of root, signing, garage, attic",
            },
            "zone": ZONE,
            "rootKey": public(ROOT),
            "receipts": [
                receipt("garage", channels=2, expected=8_640_000, valid=8_638_123, bad=17, expelled=False),
                receipt("attic", channels=1, expected=1_000_000, valid=700_000, bad=300_000, expelled=True),
            ],
        },
        indent=2,
    )
)
