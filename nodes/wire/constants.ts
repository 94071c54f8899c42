import assert from 'node:assert/strict';
import { AEAD_TAG_BYTES } from '../crypto/aead.ts';
import { handshakeBytes, type Pattern } from '../crypto/noise.ts';

/** The numbers of WIRE.md. Lengths are sums of named lengths; relations that must hold are asserted below each group. */

// What the protocol fixes

export const LINK_KIND = { initIk: 1, response: 2, initNk: 3, transport: 4, cookie: 5 } as const;
export const LINK_HEADER_BYTES = 8;
export const LINK_INIT_HEADER_BYTES = 4;
export const LINK_COOKIE_BYTES = 16;
export const LINK_OVERHEAD_BYTES = LINK_HEADER_BYTES + AEAD_TAG_BYTES;
export const LINK_INDEX_MAX = 0xff_ffff;

export const MESSAGE_KIND = {
  attach: 16,
  attached: 17,
  detached: 18,
  up: 32,
  round: 33,
  down: 34,
  audit: 35,
  audited: 36,
  mesh: 48,
} as const;
export const PROLOGUE = {
  link: 'herd 1 link',
  attach: 'herd 1 attach',
  circuit: 'herd 1 circuit',
  call: 'herd 1 call',
} as const;

export const NODE_TAG_BYTES = 8;
export const SESSION_BYTES = 16;
export const COOKIE_BYTES = 16;
export const SIGNAL_BYTES = 8 + AEAD_TAG_BYTES;
export const CONTROL_BYTES = 16 + AEAD_TAG_BYTES;
export const SIGNALS_PER_ROUND = 2;
/** slot 1, zero 3, s 4 before the signal cell. */
export const SIGNAL_ENTRY_BYTES = 8 + SIGNAL_BYTES;
export const SIGNAL_SLOT_NONE = 255;
export const MANIFEST_PRESENT = 0x80;
export const MANIFEST_SEQUENCE_MASK = 0x7f;

/** How calls get their channels: see mix/allocation.ts. */
export const ASSIGNMENT_MODES = ['augment', 'ranking', 'random', 'paper'] as const;
export type AssignmentMode = (typeof ASSIGNMENT_MODES)[number];
/** Attachments of one client at most: bits of a grant. */
export const ATTACHMENTS_MAX = 4;
/** Half-circuits of a session: n and n + 4 are attachment n's, so that one can be made before the other goes. */
export const CIRCUITS_MAX = 2 * ATTACHMENTS_MAX;
/** Bit of a grant beside those of the attachments. */
export const GRANT_REFUSED = 0x80;
/** Bits of a signal's first byte: the client wants a channel; from the shift on one for each attachment given up because nothing opened on it. */
export const SIGNAL_WANT = 0x01;
export const SIGNAL_DECEIVED_SHIFT = 4;
/** DOWN frames over which a signal's `heard` counts. */
export const HEARD_WINDOW = 50;

export const MESH_COMMAND = { pad: 0, create: 1, created: 2, cell: 3, join: 4, relay: 5, destroy: 6 } as const;
export const RELAY_COMMAND = { pad: 0, setup: 1, ring: 2, answer: 3, voice: 4, end: 5 } as const;

export const COUNTER_BYTES = 4;
export const VOICE_HEADER_BYTES = 12;
export const RELAY_HEADER_BYTES = 4;
/** In a mix cell's `heard`, above the bits of the attachments where frames come: those where media is missed. */
export const HEARD_MISSED_SHIFT = 4;
/** circuit 1, heard 1, zero 2 before the relay cell in a mix cell. */
export const MIX_HEADER_BYTES = 4;
export const AUDIT_TAG_BYTES = 8;
/** `call` of a relay cell: below, the client's choice; from here on, the rendezvous'. */
export const CALL_RUNG_FIRST = 128;
export const CALL_MAX = 255;
export const E1_TIME_BYTES = 8;
export const MESH_HEADER_BYTES = 8;
export const UP_HEADER_BYTES = 16;
export const ROUND_HEADER_BYTES = 8;
export const DOWN_HEADER_BYTES = 8;
/** kind 1, zero 1, channel 2, a bit for each slot. */
export const DETACHED_BYTES = 4 + 16;
export const AUDIT_BYTES = 8;
export const AUDITED_HEADER_BYTES = 20;

/** An INIT; in that of a node stands its tag. */
export function linkInitBytes(pattern: Pattern): number {
  const payload = pattern === 'IK' ? NODE_TAG_BYTES : 0;
  return LINK_INIT_HEADER_BYTES + handshakeBytes(pattern, 0) + payload + LINK_COOKIE_BYTES;
}

export const E1_BYTES = handshakeBytes('IK', 0) + E1_TIME_BYTES;
export const E2_BYTES = handshakeBytes('IK', 1);
export const C1_BYTES = handshakeBytes('IK', 0);
export const C2_BYTES = handshakeBytes('IK', 1);
/** session 16, number 1, alone 1, zero 2, tag 8, first s 4. */
export const A1_PAYLOAD_BYTES = SESSION_BYTES + 4 + NODE_TAG_BYTES + COUNTER_BYTES + C1_BYTES;
export const A1_BYTES = handshakeBytes('NK', 0) + A1_PAYLOAD_BYTES;
export const A2_BYTES = handshakeBytes('NK', 1) + COUNTER_BYTES + C2_BYTES;

/** Lengths of the nested cells for one voice profile, in bytes. */
export interface Geometry {
  readonly voice: number;
  readonly endToEnd: number;
  readonly relayBody: number;
  readonly relayPlain: number;
  readonly relay: number;
  readonly mixPlain: number;
  readonly mix: number;
  readonly up: number;
  readonly down: number;
  readonly audited: number;
  readonly mesh: number;
}

export type Profile = 'A' | 'B';

/** Voice bytes per tick: A is G.711 (64 kb/s), B is Opus at a constant 32 kb/s. */
export const VOICE_BYTES: Record<Profile, number> = { A: 160, B: 80 };

function geometryOf(voice: number): Geometry {
  const endToEnd = COUNTER_BYTES + VOICE_HEADER_BYTES + voice + AEAD_TAG_BYTES;
  const relayBody = Math.max(endToEnd, NODE_TAG_BYTES + COOKIE_BYTES + E1_BYTES);
  const relayPlain = RELAY_HEADER_BYTES + relayBody;
  const relay = COUNTER_BYTES + relayPlain + AEAD_TAG_BYTES;
  const mixPlain = MIX_HEADER_BYTES + relay;
  const mix = mixPlain + AEAD_TAG_BYTES;
  return {
    voice,
    endToEnd,
    relayBody,
    relayPlain,
    relay,
    mixPlain,
    mix,
    up: UP_HEADER_BYTES + SIGNAL_BYTES + mix,
    down: DOWN_HEADER_BYTES + CONTROL_BYTES + mix,
    audited: AUDITED_HEADER_BYTES + mix,
    mesh: MESH_HEADER_BYTES + relay,
  };
}

export const GEOMETRY: Record<Profile, Geometry> = { A: geometryOf(VOICE_BYTES.A), B: geometryOf(VOICE_BYTES.B) };

/** Manifest bytes of a channel: one per slot, padded so that X stays aligned to words. */
export function manifestBytes(clientsPerChannel: number): number {
  return Math.ceil(clientsPerChannel / 4) * 4;
}

export function roundBytes(geometry: Geometry, clientsPerChannel: number): number {
  const signals = SIGNALS_PER_ROUND * SIGNAL_ENTRY_BYTES;
  return ROUND_HEADER_BYTES + manifestBytes(clientsPerChannel) + signals + geometry.mix;
}

export const CLIENTS_PER_CHANNEL_MAX = 100;

/** Slot of a ring: the largest datagram, and below every path's MTU. */
export const DATAGRAM_BYTES_MAX = 1280;

for (const geometry of Object.values(GEOMETRY)) {
  assert(geometry.mix % 4 === 0, 'cells are XORed by words');
  assert(NODE_TAG_BYTES + COOKIE_BYTES + E1_BYTES <= geometry.relayBody, 'a SETUP fits one relay cell');
  assert(COOKIE_BYTES + E1_BYTES <= geometry.relay, 'a JOIN fits one mesh cell');
  assert(geometry.relayPlain <= geometry.relay, 'a RELAY fits one mesh cell');
  assert(
    roundBytes(geometry, CLIENTS_PER_CHANNEL_MAX) + LINK_OVERHEAD_BYTES <= DATAGRAM_BYTES_MAX,
    'the largest round fits a datagram',
  );
}
assert(CIRCUITS_MAX <= 8, 'every half-circuit has a bit in a control cell');
assert(ATTACHMENTS_MAX <= HEARD_MISSED_SHIFT, 'both bits of every attachment fit a byte');
assert(CLIENTS_PER_CHANNEL_MAX < SIGNAL_SLOT_NONE, 'every slot has a number of its own');
assert(CLIENTS_PER_CHANNEL_MAX <= (DETACHED_BYTES - 4) * 8, 'every slot has a bit of its own');
assert(LINK_HEADER_BYTES % 4 === 0 && UP_HEADER_BYTES % 4 === 0, 'cells stay aligned to words behind their headers');
assert((UP_HEADER_BYTES + SIGNAL_BYTES) % 4 === 0 && (DOWN_HEADER_BYTES + CONTROL_BYTES) % 4 === 0, 'likewise');

// What we chose

/** One cell per link and tick: the packet time of G.711 softphones. */
export const TICK_US = 20_000;
export const TICKS_PER_SECOND = 1_000_000 / TICK_US;
/** A channel that is dealt to other mixes goes on for its clients for so long: they leave within 10 s of the news. */
export const LEFT_CHANNEL_US = 1500 * TICK_US;
/** Rounds that a superpeer can still show: 1.3 s, so that an AUDIT that is lost twice still finds its round. */
export const AUDIT_ROUNDS = 64;
/** Control cells are counted over 2^9 values of d, 10.2 s: in the largest channel each client is addressed five times. */
export const CONTROL_WINDOW_BITS = 9;
/** Ticks for which a queue holds on to cells: a stall of 100 ms loses nothing; longer would be delay nobody can talk over. */
export const QUEUE_TICKS_MAX = 5;
