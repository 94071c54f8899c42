import type { Micros } from '../core/units.ts';
import { AEAD_TAG_BYTES, Aead } from '../crypto/aead.ts';
import { wipe } from '../crypto/keys.ts';
import type { TransportKeys } from '../crypto/noise.ts';
import { ReplayWindow } from '../crypto/replay.ts';
import { COUNTER_BYTES, type Geometry, VOICE_HEADER_BYTES } from '../wire/constants.ts';

/**
 * The end-to-end layer of one call: voice cells between caller and callee (WIRE.md 5).
 *
 * `sent` is the sender's clock, low 32 bits of microseconds; with `echo` and `hold` either side knows the round trip
 * without a common clock.
 */
const VOICE_KIND = 1;
const HOLD_UNIT_US = 100;
const HOLD_MAX = 0xffff;

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

export class EndToEnd {
  readonly #geometry: Geometry;
  readonly #send: Aead;
  readonly #receive: Aead;
  readonly #window = new ReplayWindow();
  #counter = 0;
  #peerSent = 0;
  #peerHeardAt: Micros = 0;

  constructor(geometry: Geometry, keys: TransportKeys) {
    this.#geometry = geometry;
    this.#send = new Aead(keys.send);
    this.#receive = new Aead(keys.receive);
    wipe(keys.send);
    wipe(keys.receive);
  }

  /** Whether a cell of the peer has opened: it has the keys. */
  get confirmed(): boolean {
    return this.#peerHeardAt > 0;
  }

  /** Writes the next end-to-end cell at the start of `cell`. */
  seal(now: Micros, cell: Buffer, voice: VoiceIo): void {
    const at = COUNTER_BYTES;
    const hold = this.confirmed ? Math.min(HOLD_MAX, Math.round((now - this.#peerHeardAt) / HOLD_UNIT_US)) : HOLD_MAX;
    cell.writeUInt32BE(this.#counter, 0);
    cell[at] = VOICE_KIND;
    cell[at + 1] = this.#geometry.voice;
    cell.writeUInt16BE(hold, at + 2);
    cell.writeUInt32BE(low32(now), at + 4);
    cell.writeUInt32BE(this.#peerSent, at + 8);
    voice.next(cell.subarray(at + VOICE_HEADER_BYTES, at + VOICE_HEADER_BYTES + this.#geometry.voice));
    this.#send.seal(cell, at, VOICE_HEADER_BYTES + this.#geometry.voice, this.#counter);
    this.#counter += 1;
  }

  /** Opens a cell and hands its voice on; false if it is a replay or not the peer's. */
  open(now: Micros, cell: Buffer, voice: VoiceIo): boolean {
    const counter = cell.readUInt32BE(0);
    const at = COUNTER_BYTES;
    const plainBytes = this.#geometry.endToEnd - COUNTER_BYTES - AEAD_TAG_BYTES;
    if (!this.#window.isFresh(counter) || !this.#receive.open(cell, at, plainBytes, counter)) return false;
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

function low32(now: Micros): number {
  return now % 0x1_0000_0000;
}

/** a − b on a 32-bit circle, −2^31 to 2^31: right for delays below 35 minutes. */
function difference32(a: number, b: number): number {
  return (a - b) | 0;
}
