"""Writes mulaw.json: G.711 mu-law by audioop of Python's standard library (Python 3.12 is the last that has it).

    python3.11 -W ignore make_mulaw.py > mulaw.json

audioop drops the two lowest bits of a sample by rounding towards minus infinity, so below zero it agrees with G.711's
symmetric decision values at multiples of 4 alone; the table of negative samples is taken there.
"""

import audioop
import json
import platform


def encode(sample):
    return audioop.lin2ulaw(sample.to_bytes(2, "little", signed=True), 2)[0]


def decode(byte):
    return int.from_bytes(audioop.ulaw2lin(bytes([byte]), 2), "little", signed=True)


def steps(samples):
    """Runs of equal codes as [first sample, code]."""
    runs = []
    for sample in samples:
        code = encode(sample)
        if not runs or runs[-1][1] != code:
            runs.append([sample, code])
    return runs


print(
    json.dumps(
        {
            "birth": {
                "origin": f"audioop of Python {platform.python_version()}",
                "generator": "make_mulaw.py",
                "seed": "none: the tables are complete",
            },
            "decoded": [decode(byte) for byte in range(256)],
            "positive": steps(range(0, 32768)),
            "negativeMultiplesOf4": steps(range(-4, -32769, -4)),
        }
    )
)
