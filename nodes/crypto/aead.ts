import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { native } from '../native/load.ts';

/**
 * AES-256-GCM under one key with a counter as nonce, in place on a larger buffer.
 *
 * One cipher everywhere: it is the fastest AEAD that OpenSSL has on machines with AES instructions, and the kernel's
 * UDP path costs more than any (the choice is by simplicity). Nonce = four zero bytes and the counter
 * as 64 bits big-endian, as in the Noise specification for AESGCM (revision 34, section 12.4). A (key, counter) pair is
 * used once: every owner of a key keeps its counter beside it and never sets it back.
 */
export const AEAD_KEY_BYTES = 32;
export const AEAD_TAG_BYTES = 16;

/** What one call seals or opens, and its additional bytes: no more than a datagram can hold. */
export const AEAD_TEXT_BYTES_MAX = 65_535;

export interface Aead {
  /**
   * Encrypts `length` bytes at `offset` in place and writes the tag behind them; `additional` is authenticated only.
   * @throws RangeError if they do not fit the buffer, or a number is no integer or out of its range
   */
  seal(bytes: Buffer, offset: number, length: number, counter: number, additional?: Uint8Array): void;
  /**
   * Decrypts `length` bytes at `offset`, whose tag stands behind them, in place; false, and no change, if it does not
   * verify or the buffer ends before it.
   * @throws RangeError if a number is no integer or out of its range: a fault of the caller, not of the bytes
   */
  open(bytes: Buffer, offset: number, length: number, counter: number, additional?: Uint8Array): boolean;
}

/** A shorter tag, which GCM would take, is not one of ours. */
const OPTIONS = { authTagLength: AEAD_TAG_BYTES };

/** The slow twin, on node:crypto: for where the native part has not been built, and to hold it to. */
export class NodeAead implements Aead {
  readonly #key: KeyObject;
  readonly #nonce = Buffer.alloc(12);

  constructor(key: Uint8Array) {
    if (key.length !== AEAD_KEY_BYTES) throw new RangeError(`key must be ${AEAD_KEY_BYTES} bytes, got ${key.length}`);
    this.#key = createSecretKey(key);
  }

  seal(bytes: Buffer, offset: number, length: number, counter: number, additional?: Uint8Array): void {
    checkRanges(offset, length, counter, additional);
    if (bytes.length < offset + length + AEAD_TAG_BYTES)
      throw new RangeError('the bytes and their tag do not fit the buffer');
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#nonceFor(counter));
    if (additional) cipher.setAAD(additional);
    cipher.update(bytes.subarray(offset, offset + length)).copy(bytes, offset);
    cipher.final();
    cipher.getAuthTag().copy(bytes, offset + length);
  }

  open(bytes: Buffer, offset: number, length: number, counter: number, additional?: Uint8Array): boolean {
    checkRanges(offset, length, counter, additional);
    if (bytes.length < offset + length + AEAD_TAG_BYTES) return false;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, this.#nonceFor(counter), OPTIONS);
    if (additional) decipher.setAAD(additional);
    decipher.setAuthTag(bytes.subarray(offset + length, offset + length + AEAD_TAG_BYTES));
    const plain = decipher.update(bytes.subarray(offset, offset + length));
    try {
      decipher.final();
    } catch {
      return false;
    }
    plain.copy(bytes, offset);
    return true;
  }

  #nonceFor(counter: number): Buffer {
    this.#nonce.writeUInt32BE(Math.floor(counter / 0x1_0000_0000), 4);
    this.#nonce.writeUInt32BE(counter >>> 0, 8);
    return this.#nonce;
  }
}

function checkRanges(offset: number, length: number, counter: number, additional: Uint8Array | undefined): void {
  const integers = [offset, length, counter].every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!integers || length > AEAD_TEXT_BYTES_MAX || (additional && additional.length > AEAD_TEXT_BYTES_MAX))
    throw new RangeError('offset, length, counter or the length of the additional bytes is out of range');
}

/** Takes 32 bytes of key; the caller wipes its own copy. Native where that part has been built. */
export const Aead: new (key: Uint8Array) => Aead = native?.Aead ?? NodeAead;
