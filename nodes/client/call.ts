import { type Micros, SECOND_US } from '../core/units.ts';
import { AEAD_TAG_BYTES, Aead } from '../crypto/aead.ts';
import { Ratchet } from '../crypto/generations.ts';
import { deriveKey, wipe } from '../crypto/keys.ts';
import type { TransportKeys } from '../crypto/noise.ts';
import { ReplayWindow } from '../crypto/replay.ts';
import { COUNTER_BYTES, type Geometry, VOICE_HEADER_BYTES } from '../wire/constants.ts';

/**
 * The end-to-end layer of one call: voice cells between caller and callee (WIRE.md 5).
 *
 * `sent` is the sender's clock, low 32 bits of microseconds; with `echo` and `hold` either side knows the round trip
 * without a common clock.
 *
 * Each direction has a ratchet of its own (crypto/generations.ts) that its sender turns, and says so by the top bit of
 * the counter, which is the parity of the key's generation. Property: the keys of now open nothing of the generations
 * before; the last of those is erased PREVIOUS_KEPT_US after the first cell of the present one.
 */
const VOICE_KIND = 1;
const HOLD_UNIT_US = 100;
const HOLD_MAX = 0xffff;
/** Cells and time under one key, whichever ends first (network.md 1.4). */
const REKEY_CELLS = 2 ** 16;
const REKEY_US = 120 * SECOND_US;
/** The last key, for late cells: a path's jitter is far below it. The replay window (224 cells) bounds them too. */
const PREVIOUS_KEPT_US = 2 * SECOND_US;
/** In the first byte of a cell. The counter below it ends after 497 days. Goes to wire/constants.ts. */
const PARITY_BIT = 0x80;
const COUNTER_MASK = 0x7fff_ffff;

const makeAead = (key: Buffer) => new Aead(key);

/** Where voice comes from and goes to. Frames are `geometry.voice` bytes. */
export interface VoiceIo {
  /** Writes the next frame to send; silence when there is nothing to say. */
  readonly next: (into: Buffer) => void;
  /** Takes a frame that arrived: its number in the call, and what the cell tells of its way. */
  readonly heard: (now: Micros, counter: number, frame: Buffer, timing: VoiceTiming) => void;
}

export interface VoiceTiming {
  /** The sender's clock to ours; true one-way delay where both read one clock. */
  readonly oneWayUs: number;
  /** undefined until the peer has echoed one of ours. */
  readonly roundTripUs: number | undefined;
}

/** The keys that we seal under. */
class SendKeys {
  readonly #ratchet: Ratchet;
  #key: Aead;
  #parity: 0 | 1 = 0;
  /** When the key and at which counter it was first used. */
  #since: Micros | undefined;
  #first = 0;

  constructor(key: Buffer) {
    this.#ratchet = new Ratchet(key);
    this.#key = this.#ratchet.next(makeAead);
  }

  /** Writes the counter with its key's parity before what is at `at` and seals it. */
  seal(now: Micros, cell: Buffer, at: number, length: number, counter: number): void {
    this.#since ??= now;
    if (now - this.#since >= REKEY_US || counter - this.#first >= REKEY_CELLS) {
      this.#key = this.#ratchet.next(makeAead);
      this.#parity = this.#parity === 0 ? 1 : 0;
      this.#since = now;
      this.#first = counter;
    }
    cell.writeUInt32BE(counter, at - COUNTER_BYTES);
    if (this.#parity === 1) cell[at - COUNTER_BYTES]! |= PARITY_BIT;
    this.#key.seal(cell, at, length, counter);
  }
}

/** The keys that the peer may have sealed under: this generation's, for a while the last one's, and the next. */
class ReceiveKeys {
  readonly #ratchet: Ratchet;
  #current: Aead;
  #parity: 0 | 1 = 0;
  /** Counter of the first cell that opened under the current key, and when it did. */
  #first = 0;
  #since: Micros = 0;
  #previous: Aead | undefined;
  /** From when a cell first claimed to be of it; it is the current one once such a cell has opened. */
  #next: Aead | undefined;

  constructor(key: Buffer) {
    this.#ratchet = new Ratchet(key);
    this.#current = this.#ratchet.next(makeAead);
  }

  /** Erases the last key when its time is over. */
  expire(now: Micros): void {
    if (this.#previous && now - this.#since > PREVIOUS_KEPT_US) this.#previous = undefined;
  }

  open(now: Micros, cell: Buffer, at: number, length: number, counter: number, parity: number): boolean {
    this.expire(now);
    if (parity === this.#parity) return this.#current.open(cell, at, length, counter);
    // The other parity is the generation before or the one behind, and counters never go back: so it is clear which.
    if (counter < this.#first) return this.#previous?.open(cell, at, length, counter) ?? false;
    this.#next ??= this.#ratchet.next(makeAead);
    if (!this.#next.open(cell, at, length, counter)) return false;
    this.#previous = this.#current;
    this.#current = this.#next;
    this.#next = undefined;
    this.#parity = this.#parity === 0 ? 1 : 0;
    this.#first = counter;
    this.#since = now;
    return true;
  }
}

/**
 * Call `seal` every tick and `open` for what arrives.
 *
 * A peer may be cut off for as long as the other end turns its ratchet once: the next generation always opens. One that
 * misses two turns opens nothing any more, and the call is dead; that takes more than REKEY_US of silence.
 */
export class EndToEnd {
  readonly #geometry: Geometry;
  readonly #send: SendKeys;
  readonly #receive: ReceiveKeys;
  readonly #window = new ReplayWindow();
  #counter = 0;
  #peerSent = 0;
  #peerHeardAt: Micros = 0;

  /** Wipes the keys that it is given. */
  constructor(geometry: Geometry, keys: TransportKeys) {
    this.#geometry = geometry;
    this.#send = new SendKeys(keys.send);
    this.#receive = new ReceiveKeys(keys.receive);
    wipe(keys.send);
    wipe(keys.receive);
  }

  /** Whether a cell of the peer has opened: it has the keys. */
  get confirmed(): boolean {
    return this.#peerHeardAt > 0;
  }

  /** Writes the next end-to-end cell at the start of `cell`. */
  seal(now: Micros, cell: Buffer, voice: VoiceIo): void {
    this.#receive.expire(now);
    const at = COUNTER_BYTES;
    const hold = this.confirmed ? Math.min(HOLD_MAX, Math.round((now - this.#peerHeardAt) / HOLD_UNIT_US)) : HOLD_MAX;
    cell[at] = VOICE_KIND;
    cell[at + 1] = this.#geometry.voice;
    cell.writeUInt16BE(hold, at + 2);
    cell.writeUInt32BE(low32(now), at + 4);
    cell.writeUInt32BE(this.#peerSent, at + 8);
    voice.next(cell.subarray(at + VOICE_HEADER_BYTES, at + VOICE_HEADER_BYTES + this.#geometry.voice));
    this.#send.seal(now, cell, at, VOICE_HEADER_BYTES + this.#geometry.voice, this.#counter);
    this.#counter += 1;
  }

  /** Opens a cell and hands its voice on; false if it is a replay or not the peer's. */
  open(now: Micros, cell: Buffer, voice: VoiceIo): boolean {
    const counter = cell.readUInt32BE(0) & COUNTER_MASK;
    const parity = cell[0]! >>> 7;
    const at = COUNTER_BYTES;
    const plainBytes = this.#geometry.endToEnd - COUNTER_BYTES - AEAD_TAG_BYTES;
    if (!this.#window.isFresh(counter)) return false;
    if (!this.#receive.open(now, cell, at, plainBytes, counter, parity)) return false;
    this.#window.mark(counter);
    const hold = cell.readUInt16BE(at + 2);
    const sent = cell.readUInt32BE(at + 4);
    const echo = cell.readUInt32BE(at + 8);
    this.#peerSent = sent;
    this.#peerHeardAt = now;
    const frame = cell.subarray(at + VOICE_HEADER_BYTES, at + VOICE_HEADER_BYTES + this.#geometry.voice);
    voice.heard(now, counter, frame, {
      oneWayUs: difference32(low32(now), sent),
      roundTripUs: hold === HOLD_MAX ? undefined : difference32(low32(now), echo) - hold * HOLD_UNIT_US,
    });
    return true;
  }
}

/**
 * Six digits in two groups, '123 456', of a handshake's channel binding: what both ends read to each other to know that
 * nobody sits between them. HKDF's first 8 bytes as a number, modulo 10^6: uniform but for 10^6 / 2^64.
 *
 * An attacker who is between the two, because a contact was not the true one, and who does not prepare for it passes once
 * in 10^6 calls. The handshake does not commit either end to its ephemeral beforehand, so one who tries ephemerals while
 * it rings can look for equal digits: about 10^6 handshakes of work. A contact that was exchanged in person has no need of
 * the digits.
 */
export function shortAuthenticationString(binding: Uint8Array): string {
  const number = deriveKey(binding, 'herd sas').readBigUInt64BE() % 1_000_000n;
  const digits = number.toString().padStart(6, '0');
  return `${digits.slice(0, 3)} ${digits.slice(3)}`;
}

function low32(now: Micros): number {
  return now % 0x1_0000_0000;
}

/** a − b on a 32-bit circle, −2^31 to 2^31: right for delays below 35 minutes. */
function difference32(a: number, b: number): number {
  return (a - b) | 0;
}
