import type { PacketRing } from './ring.ts';
import type { Micros } from './units.ts';

/**
 * A role of the network as a pure state machine.
 *
 * Nothing reacts to an arrival: arrivals fill `inbox`, and once per tick the machine takes all of them and writes all
 * that this tick sends into `outbox`. That is what makes sending times independent of arrivals, and a simulated run
 * equal to a real one. The machine reads no clock and no random source; hostile bytes become a counted drop, never a
 * throw and never an answer.
 */
export interface Machine {
  tick(now: Micros, inbox: PacketRing, outbox: PacketRing): void;
}

/** What goes out in every tick by design, with the links and clients that there are now; handshakes and audits come on top. */
export interface Rate {
  readonly datagrams: number;
  /** Of UDP payload. */
  readonly bytes: number;
}

/** Fills the buffer with unpredictable bytes: the operating system's in a daemon, a seeded generator's in a simulation. */
export type Entropy = (into: Uint8Array) => void;

/** So many fresh bytes. */
export function draw(entropy: Entropy, bytes: number): Buffer<ArrayBuffer> {
  const buffer = Buffer.alloc(bytes);
  entropy(buffer);
  return buffer;
}

/** Uniform in 0 … n − 1, and 0 for n = 0; the bias of 48 bits against a small n is below 2^-30. */
export function drawBelow(entropy: Entropy, n: number): number {
  return draw(entropy, 6).readUIntBE(0, 6) % Math.max(1, n);
}

/** Uniform in [0, 1), in steps of 2^-48. */
export function drawFraction(entropy: Entropy): number {
  return draw(entropy, 6).readUIntBE(0, 6) / 2 ** 48;
}
