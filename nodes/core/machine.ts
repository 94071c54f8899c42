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

/** Fills the buffer with unpredictable bytes: the operating system's in a daemon, a seeded generator's in a simulation. */
export type Entropy = (into: Uint8Array) => void;
