import { deriveKey, wipe } from './keys.ts';

/**
 * Keys that follow one another so that who learns today's does not learn yesterday's (network.md 1.13).
 *
 * A chain key gives the working key of its generation, HKDF(chain key, 'use'), and the chain key of the next one,
 * HKDF(chain key, 'next'). Property: there is no way back. What stays is the chain key of the generation that has not
 * begun; the ones before are wiped, and working keys are dropped once nothing can arrive under them.
 */

/** A generation is 2^15 counters: 10.9 minutes of ticks, the ten-minute epoch of network.md 1.13. Goes to wire/constants.ts. */
export const GENERATION_BITS = 15;
/** Counters behind a boundary that are still taken once it was crossed: more than any replay window. Goes to wire/constants.ts. */
export const GENERATION_LATE = 256;

/** The chain alone: one working key after the other, each given once. */
export class Ratchet {
  #chain: Buffer;

  /** Takes 32 bytes of key; the caller wipes its own copy. */
  constructor(key: Uint8Array) {
    this.#chain = Buffer.from(key);
  }

  /** What `make` makes of the next generation's working key, of which it must keep its own copy. */
  next<T>(make: (key: Buffer) => T): T {
    const use = deriveKey(this.#chain, 'use');
    const next = deriveKey(this.#chain, 'next');
    wipe(this.#chain);
    this.#chain = next;
    try {
      return make(use);
    } finally {
      wipe(use);
    }
  }
}

/**
 * A ratchet that a counter drives: both ends know from the counter alone which key it is, without a clock or a message.
 *
 * `at` to look, `commit` once the counter is known to be the peer's. A sender does both in one breath. An attacker's
 * counters therefore cost one derivation and move nothing.
 *
 * Whoever keeps several of these under one counter commits to all of them, also to those that rest: one that is two
 * generations behind opens nothing more.
 */
export class Generations<T> {
  readonly #ratchet: Ratchet;
  readonly #make: (key: Buffer) => T;
  #generation: number;
  #current: T;
  /** Late counters' key, until the highest counter is GENERATION_LATE past the boundary. */
  #previous: T | undefined;
  /** The next generation's key, from when it was first asked for. */
  #next: T | undefined;

  /**
   * Takes 32 bytes of key, of which the caller wipes its own copy, for the generation of the counter `first`. `make`
   * gets 32 bytes that are wiped when it returns. Counters are below 2^32.
   */
  constructor(key: Uint8Array, first: number, make: (key: Buffer) => T) {
    this.#ratchet = new Ratchet(key);
    this.#make = make;
    this.#generation = first >>> GENERATION_BITS;
    this.#current = this.#ratchet.next(make);
  }

  /** The generations of one purpose under a transport key (WIRE.md 2); the key stays the caller's. */
  static of<T>(transportKey: Uint8Array, purpose: string, first: number, make: (key: Buffer) => T): Generations<T> {
    const key = deriveKey(transportKey, purpose);
    const generations = new Generations(key, first, make);
    wipe(key);
    return generations;
  }

  /** The key of a counter of this generation, of the next, or of the last GENERATION_LATE of the one before; else undefined. */
  at(counter: number): T | undefined {
    switch ((counter >>> GENERATION_BITS) - this.#generation) {
      case 0:
        return this.#current;
      case 1:
        this.#next ??= this.#ratchet.next(this.#make);
        return this.#next;
      case -1:
        return counter >= this.#start() - GENERATION_LATE ? this.#previous : undefined;
      default:
        return undefined;
    }
  }

  /**
   * Follows a counter that was authenticated, or is one's own, any number of generations ahead, and erases what is too
   * old. One that is behind changes nothing.
   */
  commit(counter: number): void {
    const generation = counter >>> GENERATION_BITS;
    for (; this.#generation < generation; this.#generation += 1) {
      this.#previous = this.#current;
      this.#current = this.#next ?? this.#ratchet.next(this.#make);
      this.#next = undefined;
    }
    if (this.#previous !== undefined && counter >= this.#start() + GENERATION_LATE) this.#previous = undefined;
  }

  /** The first counter of the current generation. */
  #start(): number {
    return this.#generation * 2 ** GENERATION_BITS;
  }
}
