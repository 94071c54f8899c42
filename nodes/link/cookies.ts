import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { draw, type Entropy } from '../core/machine.ts';
import { type Endpoint, type Micros, SECOND_US } from '../core/units.ts';
import { KEY_BYTES, wipe } from '../crypto/keys.ts';
import { LINK_COOKIE_BYTES } from '../wire/constants.ts';

/**
 * Cookies (WIRE.md 1): whoever shows one has received what was sent to his address, so the address is not forged.
 *
 * Nothing is kept per address: a cookie is the first 16 bytes of HMAC-SHA-256(secret, address 4 | port 2), but that its
 * last bit says which of the two newest secrets it was made under, so that to check one costs one HMAC. Only its maker
 * understands it.
 */

/** A secret makes cookies for this long and takes them for as long again: so long is every cookie good, at least. */
export const COOKIE_LIFE_US = 120 * SECOND_US;
const LAST = LINK_COOKIE_BYTES - 1;

export class Cookies {
  readonly #entropy: Entropy;
  readonly #secrets: [KeyObject, KeyObject];
  readonly #address = Buffer.alloc(6);
  #newest = 0;
  /** The first `renew` is due at once: before it no clock was known. */
  #renewAt: Micros = 0;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
    this.#secrets = [this.#secret(), this.#secret()];
  }

  /** Call it every tick: changes the secret when it is time. */
  renew(now: Micros): void {
    if (now < this.#renewAt) return;
    this.#newest = 1 - this.#newest;
    this.#secrets[this.#newest] = this.#secret();
    this.#renewAt = now + COOKIE_LIFE_US;
  }

  of(endpoint: Endpoint): Buffer {
    return this.#make(endpoint, this.#newest);
  }

  isOf(endpoint: Endpoint, cookie: Buffer): boolean {
    return this.#make(endpoint, cookie[LAST]! & 1).equals(cookie);
  }

  #make(endpoint: Endpoint, secret: number): Buffer {
    this.#address.writeUIntBE(endpoint, 0, 6);
    const mac = createHmac('sha256', this.#secrets[secret]!).update(this.#address).digest();
    const cookie = mac.subarray(0, LINK_COOKIE_BYTES);
    cookie[LAST] = (cookie[LAST]! & 0xfe) | secret;
    return cookie;
  }

  #secret(): KeyObject {
    const bytes = draw(this.#entropy, KEY_BYTES);
    try {
      return createSecretKey(bytes);
    } finally {
      wipe(bytes);
    }
  }
}
