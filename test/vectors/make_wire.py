"""Writes wire.json: every message of one call's beginning, made from nodes/wire/WIRE.md alone.

    python3 -m venv venv && venv/bin/pip install cryptography==50.0.2
    venv/bin/python make_wire.py > wire.json

The story: in zone eu, three clients with the same superpeer attach to one channel. The first of them calls somebody in
zone na, is answered and says a frame. Every secret is SHA-256 of a name, so a second run gives the same values; a node
or client draws the same 32 bytes as the secret of every ephemeral key.
"""

import hashlib
import hmac
import json
import math
import struct
from importlib.metadata import version

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

CLIENTS = 3
CHANNEL = 513
# Of every node, as the consensus has it.
BOOT = 1
START_US = 1_800_000_000_000_000
TICK_US = 20_000
# ROUNDs that the superpeer has sent before the first that the story tells of.
ROUNDS_BEFORE = 100
INDEX = {"client": 0x010203, "superpeer": 0x0A0B0C}
# What a node sends where anything will do.
FILL = 0xCC
VOICE = bytes(range(160))


def secret(*name):
    return hashlib.sha256(" ".join(str(part) for part in ("herd wire vector", *name)).encode()).digest()


def u16(number):
    return struct.pack(">H", number)


def u24(number):
    return struct.pack(">I", number)[1:]


def u32(number):
    return struct.pack(">I", number)


def raw(key):
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def hkdf(key, purpose):
    return HKDF(SHA256(), 32, None, purpose.encode()).derive(key)


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def seal(key, counter, plain, additional=b""):
    return AESGCM(key).encrypt(bytes(4) + struct.pack(">Q", counter), plain, additional)


def keystream(key, s, length):
    start = s * math.ceil(length / 16)
    return Cipher(algorithms.AES(key), modes.CTR(start.to_bytes(16, "big"))).encryptor().update(bytes(length))


def xor(*cells):
    return bytes(a ^ b ^ c for a, b, c in zip(*cells, *[bytes(236)] * (3 - len(cells))))


class Pair:
    """An X25519 key pair."""

    def __init__(self, private):
        self.private = X25519PrivateKey.from_private_bytes(private)
        self.public = raw(self.private.public_key())

    def agree(self, public):
        return self.private.exchange(X25519PublicKey.from_public_bytes(public))


class Someone:
    """A node or client: its identity, the keys that hang on it, what it draws."""

    def __init__(self, name, zone):
        self.seed = secret("identity", name)
        self.ephemeral = secret("ephemeral", name)
        self.identity = raw(Ed25519PrivateKey.from_private_bytes(self.seed).public_key())
        self.link = Pair(hkdf(self.seed, "herd link key"))
        self.circuit = Pair(hkdf(self.seed, "herd circuit key"))
        self.end_to_end = Pair(hashlib.sha512(self.seed).digest()[:32])
        self.tag = sha(b"herd node", zone.encode(), self.identity)[:8]
        self.cookie = sha(b"herd cookie", self.end_to_end.public)[:16]


class Noise:
    """Both ends of a Noise_IK or Noise_NK handshake (revision 34 of the specification, section 5)."""

    def __init__(self, pattern, prologue, initiator_static, responder_static):
        self.h = f"Noise_{pattern}_25519_AESGCM_SHA256".encode().ljust(32, b"\0")
        self.ck = self.h
        self.pattern = pattern
        self.s = initiator_static
        self.rs = responder_static
        self.mix_hash(prologue.encode())
        self.mix_hash(responder_static.public)

    def mix_hash(self, data):
        self.h = sha(self.h, data)

    def hkdf(self, data):
        temporary = hmac.digest(self.ck, data, "sha256")
        first = hmac.digest(temporary, b"\x01", "sha256")
        return first, hmac.digest(temporary, first + b"\x02", "sha256")

    def mix_key(self, shared):
        self.ck, self.k = self.hkdf(shared)
        self.n = 0

    def encrypt(self, plain):
        sealed = seal(self.k, self.n, plain, self.h)
        self.n += 1
        self.mix_hash(sealed)
        return sealed

    def first(self, ephemeral, payload):
        self.e = Pair(ephemeral)
        self.mix_hash(self.e.public)
        self.mix_key(self.e.agree(self.rs.public))
        static = b""
        if self.pattern == "IK":
            static = self.encrypt(self.s.public)
            self.mix_key(self.s.agree(self.rs.public))
        return self.e.public + static + self.encrypt(payload)

    def second(self, ephemeral, payload):
        re = Pair(ephemeral)
        self.mix_hash(re.public)
        self.mix_key(re.agree(self.e.public))
        if self.pattern == "IK":
            self.mix_key(re.agree(self.s.public))
        return re.public + self.encrypt(payload)

    def split(self):
        """The key of what the initiator sends and that of what the responder sends."""
        return self.hkdf(b"")


eu = {role: Someone(f"eu {role}", "eu") for role in ("mix", "rendezvous", "superpeer")}
na = {"rendezvous": Someone("na rendezvous", "na")}
callee = Someone("callee", "na")
mix, rendezvous, superpeer, far = eu["mix"], eu["rendezvous"], eu["superpeer"], na["rendezvous"]
messages = {}
rounds_start = int.from_bytes(secret("superpeer draws")[:4], "big")
down_start = int.from_bytes(secret("mix draws")[:4], "big") >> 1


def first_circuit(opener, other):
    """The first id that the opener gives on the link between the two."""
    return (BOOT << 22) + (1 if opener.tag.hex() < other.tag.hex() else 2)


def mesh(command, circuit, body):
    return (bytes([48, command, 0, 0]) + u32(circuit) + body).ljust(224, b"\0")


class Client:
    """One of the clients, in the slot of its number."""

    def __init__(self, number):
        self.number = number
        self.who = Someone(f"client {number}", "eu")
        self.draws = secret("client draws", number)
        self.session = self.draws[:16]
        # A start of which the first byte of s differs from client to client.
        self.first = int.from_bytes(self.draws[:4], "big") >> 1
        self.relay_counter = 0
        self.attach()

    def attach(self):
        n, who = self.number, self.who
        handle = n + 1
        circuit = first_circuit(mix, rendezvous) + 2 * n
        c = Noise("IK", "herd 1 circuit", who.end_to_end, rendezvous.circuit)
        a = Noise("NK", "herd 1 attach", None, mix.circuit)
        c1 = c.first(who.ephemeral, b"")
        payload = self.session + bytes(4) + rendezvous.tag + u32(self.first) + c1
        a1 = a.first(who.ephemeral, payload)
        c2 = c.second(rendezvous.ephemeral, b"")
        # The mix has sent one DOWN before.
        a2 = a.second(mix.ephemeral, u32(down_start + 2) + c2)
        head = bytes([17, n]) + u16(CHANNEL)
        messages[f"attach {n}"] = bytes([16, 0]) + u16(CHANNEL) + a1
        messages[f"attach {n} forwarded"] = bytes([16, 0]) + u16(CHANNEL) + u32(handle) + a1
        messages[f"create {n}"] = mesh(1, circuit, c1)
        messages[f"created {n}"] = mesh(2, circuit, c2)
        messages[f"attached {n}"] = head + u32(handle) + a2
        messages[f"attached {n} forwarded"] = head + a2
        up, down = a.split()
        self.up = {purpose: hkdf(up, purpose) for purpose in ("coding", "cell", "signal", "audit")}
        self.down = {purpose: hkdf(down, purpose) for purpose in ("cell", "control")}
        self.circuit = circuit
        self.relay_up, self.relay_down = c.split()
        # All in one generation: the story lasts a few ticks.
        self.up = {purpose: hkdf(key, "use") for purpose, key in self.up.items()}
        self.down = {purpose: hkdf(key, "use") for purpose, key in self.down.items()}

    def relay(self, command, call, body):
        """V, up."""
        plain = (bytes([command, call, 0, 0]) + body).ljust(196, b"\0")
        counter = self.relay_counter
        self.relay_counter += 1
        return u32(counter) + seal(self.relay_up, counter, plain)

    def send(self, tick, want, v=None):
        """UP of a tick, 0 for the first one."""
        s = self.first + tick
        # The session is in its fourth tick: it began, said INIT, ATTACH, and this.
        signal = seal(self.up["signal"], s, bytes([want, 50, 0, 0]) + u32(tick + 4))
        b = keystream(self.up["coding"], s, 236)
        if v is not None:
            # Over circuit 0, and something has come down on attachment 0.
            b = xor(b, seal(self.up["cell"], s, bytes([0, 1, 0, 0]) + v))
        t = seal(self.up["audit"], s, b"", b)[:8]
        messages[f"up {self.number} {tick}"] = bytes([32, 0, 0, 0]) + u32(s) + t + signal + b
        return s, signal, b


def round_of(number, sent, signals):
    """ROUND of what the clients sent, with the signals of two of them."""
    manifest = bytes(128 + s % 128 for s, _, _ in sent) + b"\0"
    entries = b"".join(bytes([slot, 0, 0, 0]) + u32(sent[slot][0]) + sent[slot][1] for slot in signals)
    x = xor(*(b for _, _, b in sent))
    messages[f"round {number}"] = bytes([33, 0]) + u16(CHANNEL) + u32((rounds_start + ROUNDS_BEFORE + number) % 2**32) + manifest + entries + x


def down(number, told, grant, times_told, v=None):
    """DOWN of a number: control for one client, and media for the caller."""
    d = down_start + number
    state = bytes([grant, 1, 0, 0]) + u32(START_US // 1_000_000 + times_told) + bytes(8)
    media = bytes([FILL]) * 236 if v is None else seal(caller.down["cell"], d, bytes(4) + v)
    control = seal(told.down["control"], d, state)
    messages[f"down {number}"] = bytes([34, 0]) + u16(CHANNEL) + u32(d) + control + media


clients = [Client(number) for number in range(CLIENTS)]
caller, *others = clients
# The caller's first UP is sent in its fourth tick; the call is placed before the next.
now_us = [START_US + (4 + tick) * TICK_US for tick in range(4)]
e = Noise("IK", "herd 1 call", caller.who.end_to_end, callee.end_to_end)
e1 = e.first(caller.who.ephemeral, struct.pack(">Q", now_us[1] // 1000))
e2 = e.second(callee.ephemeral, b"")
binding = e.h
voice_up, _ = e.split()
digits = int.from_bytes(hkdf(binding, "herd sas")[:8], "big") % 1_000_000

setup = caller.relay(1, 1, far.tag + callee.cookie + e1)
cell = bytes([1, 160]) + u16(0xFFFF) + u32(now_us[3] % 2**32) + u32(0) + VOICE
voice = u32(0) + seal(hkdf(voice_up, "use"), 0, cell)
spoken = caller.relay(4, 1, voice)
answer_plain = (bytes([3, 128, 0, 0]) + e2).ljust(196, b"\0")
answer = u32(0) + seal(caller.relay_down, 0, bytes([3, 1]) + answer_plain[2:])

for tick, (want, v) in enumerate([(0, None), (1, None), (1, setup), (1, spoken)]):
    sent = [caller.send(tick, want, v)] + [other.send(tick, 0) for other in others]
    # Two clients' signals in each, the ones after those of the round before.
    round_of(tick, sent, [(2 * tick + 1) % 3, (2 * tick + 2) % 3])

leg = first_circuit(rendezvous, far)
messages["pad"] = mesh(0, 0, b"")
messages["cell setup"] = mesh(3, caller.circuit, setup)
messages["join"] = mesh(4, leg, callee.cookie + e1)
messages["relay answer"] = mesh(5, leg, answer_plain)
messages["cell answer"] = mesh(3, caller.circuit, answer)
messages["cell voice"] = mesh(3, caller.circuit, spoken)
messages["relay voice"] = mesh(5, leg, bytes([4, 1, 0, 0]) + voice)
# Those who have something to be told are told in turn: that they are attached from the second DOWN on; the caller then
# that it may speak.
down(5, caller, 1, 2)
down(6, others[0], 0, 1, answer)


def link(pattern, initiator, responder, indices, texts):
    """Datagrams of a link: the handshake, and TRANSPORT of the texts, by turns of the initiator and the responder."""
    noise = Noise(pattern, "herd 1 link", initiator.link, responder.link)
    kind = {"IK": 1, "NK": 3}[pattern]
    payload = initiator.tag if pattern == "IK" else b""
    init = bytes([kind]) + u24(indices[0]) + noise.first(initiator.ephemeral, payload) + bytes(16)
    response = bytes([2]) + u24(indices[1]) + b"\0" + u24(indices[0]) + noise.second(responder.ephemeral, b"")
    keys = noise.split()
    transport = []
    counters = [0, 0]
    for sender, text in texts:
        head = bytes([4]) + u24(indices[1 - sender]) + u32(counters[sender])
        datagram = head + seal(keys[sender], counters[sender], messages[text], head)
        transport.append({"from": ["initiator", "responder"][sender], "message": text, "datagram": datagram.hex()})
        counters[sender] += 1
    return {
        "pattern": pattern,
        "initiator": initiator.seed.hex(),
        "responder": responder.seed.hex(),
        "ephemerals": [initiator.ephemeral.hex(), responder.ephemeral.hex()],
        "indices": list(indices),
        "init": init.hex(),
        "response": response.hex(),
        "transport": transport,
    }


def cookie(row, address, port, index):
    key = secret("cookie", row)
    mac = bytearray(hmac.digest(key, bytes(address) + u16(port), "sha256")[:16])
    which = row % 2
    mac[15] = mac[15] & 0xFE | which
    return {
        "secret": key.hex(),
        "which": which,
        "endpoint": ".".join(map(str, address)) + f":{port}",
        "index": index,
        "datagram": (bytes([5]) + u24(index) + mac).hex(),
    }


def described(someone):
    return {"seed": someone.seed.hex(), "ephemeral": someone.ephemeral.hex(), "tag": someone.tag.hex()}


story = [
    (0, "attach 0"),
    (1, "attached 0 forwarded"),
    (0, "up 0 0"),
    (0, "up 0 1"),
    (1, "down 5"),
    (0, "up 0 2"),
    (1, "down 6"),
    (0, "up 0 3"),
]
rounds = [(0, "attach 0 forwarded"), (1, "attached 0")] + [(0, f"round {number}") for number in range(4)]
print(
    json.dumps(
        {
            "birth": {
                "origin": f"WIRE.md, version 1, over cryptography {version('cryptography')}",
                "generator": "make_wire.py",
                "seed": "SHA-256 of names",
            },
            "channel": CHANNEL,
            "startUs": START_US,
            "roundsBefore": ROUNDS_BEFORE,
            "fill": FILL,
            "voice": VOICE.hex(),
            "mixDraws": secret("mix draws").hex(),
            "superpeerDraws": secret("superpeer draws").hex(),
            "nodes": {
                "eu": {role: described(someone) for role, someone in eu.items()},
                "na": {role: described(someone) for role, someone in na.items()},
            },
            "clients": [described(one.who) | {"draws": one.draws.hex(), "cookie": one.who.cookie.hex()} for one in clients],
            "callee": described(callee) | {"cookie": callee.cookie.hex()},
            "authenticationString": f"{digits // 1000:03} {digits % 1000:03}",
            "messages": {name: message.hex() for name, message in messages.items()},
            "links": {
                "client to superpeer": link("NK", caller.who, superpeer, list(INDEX.values()), story),
                "superpeer to mix": link("IK", superpeer, mix, [7, 0xFFFFFF], rounds),
            },
            "cookies": [cookie(1, (10, 1, 2, 3), 7000, 0x010203), cookie(2, (255, 0, 255, 1), 65535, 0xFFFFFF)],
        },
        indent=2,
    )
)
