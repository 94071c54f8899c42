"""Writes noise.json: handshakes of Noise_IK and Noise_NK _25519_AESGCM_SHA256 by the Python package noiseprotocol.

    python3 -m venv venv && venv/bin/pip install noiseprotocol==0.3.1 cryptography==50.0.2
    venv/bin/python make_noise.py > noise.json

Every secret is SHA-256 of a name, so a second run gives the same values.
"""

import hashlib
import json
from importlib.metadata import version

from noise.connection import Keypair, NoiseConnection

# Prologue and payloads of the four places where the wire has a handshake, and two odd ones.
CASES = [
    ("IK", "herd 1 link", 0, 0),
    ("NK", "herd 1 link", 0, 0),
    ("NK", "herd 1 attach", 108, 48),
    ("IK", "herd 1 circuit", 0, 0),
    ("IK", "herd 1 call", 0, 0),
    ("IK", "", 1, 65),
    ("NK", "", 17, 16),
]
TRANSPORT_MESSAGES = 3


def secret(*name):
    return hashlib.sha256(" ".join(str(part) for part in ("herd noise vector", *name)).encode()).digest()


def payload(length, *name):
    return b"".join(secret("payload", *name, block) for block in range(length // 32 + 1))[:length]


def public(raw):
    connection = NoiseConnection.from_name(b"Noise_NK_25519_AESGCM_SHA256")
    return connection.noise_protocol.dh_fn.klass.from_private_bytes(raw).public_bytes


def handshake(row, pattern, prologue, first, second):
    secrets = {name: secret(row, name) for name in ("initiatorEphemeral", "responderStatic", "responderEphemeral")}
    if pattern == "IK":
        secrets["initiatorStatic"] = secret(row, "initiatorStatic")
    ends = []
    for role in ("initiator", "responder"):
        end = NoiseConnection.from_name(f"Noise_{pattern}_25519_AESGCM_SHA256".encode())
        end.set_prologue(prologue)
        end.set_keypair_from_private_bytes(Keypair.EPHEMERAL, secrets[f"{role}Ephemeral"])
        if f"{role}Static" in secrets:
            end.set_keypair_from_private_bytes(Keypair.STATIC, secrets[f"{role}Static"])
        ends.append(end)
    initiator, responder = ends
    initiator.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, public(secrets["responderStatic"]))
    initiator.set_as_initiator()
    responder.set_as_responder()
    for end in ends:
        end.start_handshake()
    payloads = [payload(first, row, 1), payload(second, row, 2)]
    messages = [bytes(initiator.write_message(payloads[0]))]
    assert bytes(responder.read_message(messages[0])) == payloads[0]
    messages.append(bytes(responder.write_message(payloads[1])))
    assert bytes(initiator.read_message(messages[1])) == payloads[1]
    plain = [payload(40 + number, row, "transport", number) for number in range(TRANSPORT_MESSAGES)]
    return {
        "row": row,
        "pattern": pattern,
        "prologue": prologue,
        "secrets": {name: value.hex() for name, value in secrets.items()},
        "payloads": [part.hex() for part in payloads],
        "messages": [message.hex() for message in messages],
        "initiatorSends": initiator.noise_protocol.cipher_state_encrypt.k.hex(),
        "responderSends": responder.noise_protocol.cipher_state_encrypt.k.hex(),
        "handshakeHash": initiator.get_handshake_hash().hex(),
        "transport": [
            {
                "plain": text.hex(),
                "fromInitiator": initiator.encrypt(text).hex(),
                "fromResponder": responder.encrypt(text).hex(),
            }
            for text in plain
        ],
    }


print(
    json.dumps(
        {
            "birth": {
                "origin": f"noiseprotocol {version('noiseprotocol')} over cryptography {version('cryptography')}",
                "generator": "make_noise.py",
                "seed": "SHA-256 of names",
                "specification": "Noise protocol framework, revision 34",
            },
            "handshakes": [handshake(row, *case) for row, case in enumerate(CASES, 1)],
        },
        indent=2,
    )
)
