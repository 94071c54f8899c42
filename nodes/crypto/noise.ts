import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { AEAD_TAG_BYTES, Aead } from './aead.ts';
import { DhKeyPair, KEY_BYTES, wipe } from './keys.ts';

/**
 * The Noise handshakes of the network: Noise_IK_25519_AESGCM_SHA256 and Noise_NK_25519_AESGCM_SHA256
 * (Noise protocol framework, revision 34). IK where the initiator proves its static key, NK where it has none to show.
 *
 * Ephemeral secrets are arguments, so a handshake can be replayed in a test and in a simulation. Both patterns have two
 * messages; `read` returns undefined for anything that does not verify.
 */
type Token = 'e' | 's' | 'ee' | 'es' | 'se' | 'ss';
export type Pattern = 'IK' | 'NK';

const MESSAGES: Record<Pattern, readonly (readonly Token[])[]> = {
  IK: [
    ['e', 'es', 's', 'ss'],
    ['e', 'ee', 'se'],
  ],
  NK: [
    ['e', 'es'],
    ['e', 'ee'],
  ],
};

/** Length of message `index` with an empty payload: each public key, each tag. A payload adds its own length. */
export function handshakeBytes(pattern: Pattern, index: 0 | 1): number {
  const withStatic = MESSAGES[pattern][index]!.includes('s') ? KEY_BYTES + AEAD_TAG_BYTES : 0;
  return KEY_BYTES + withStatic + AEAD_TAG_BYTES;
}

/** The two transport keys that a finished handshake leaves: 32 bytes each, wiped by whoever takes them. */
export interface TransportKeys {
  readonly send: Buffer;
  readonly receive: Buffer;
}

export interface HandshakeOptions {
  readonly pattern: Pattern;
  readonly initiator: boolean;
  /** Names the use, so that a handshake of one layer cannot be played into another. */
  readonly prologue: string;
  /** Own static key; absent only for the initiator of NK. */
  readonly local?: DhKeyPair;
  /** The responder's static public key; known to the initiator beforehand. */
  readonly remote?: Buffer;
}

/**
 * Reads a first message as its responder, under whichever of the static keys it was made for: the handshake so far, and
 * the payload. A key costs one Diffie-Hellman, so there are only a few.
 */
export function respond(
  pattern: Pattern,
  prologue: string,
  keys: readonly DhKeyPair[],
  message: Uint8Array,
): { readonly state: Handshake; readonly payload: Buffer } | undefined {
  for (const local of keys) {
    const state = new Handshake({ pattern, initiator: false, prologue, local });
    const payload = state.read(message);
    if (payload) return { state, payload };
  }
  return undefined;
}

export class Handshake {
  readonly #pattern: Pattern;
  readonly #initiator: boolean;
  readonly #local: DhKeyPair | undefined;
  #remoteStatic: Buffer | undefined;
  #ephemeral: DhKeyPair | undefined;
  #remoteEphemeral: Buffer | undefined;
  #hash: Buffer;
  #chainingKey: Buffer;
  #cipher: Aead | undefined;
  #counter = 0;
  #message = 0;

  constructor(options: HandshakeOptions) {
    this.#pattern = options.pattern;
    this.#initiator = options.initiator;
    this.#local = options.local;
    this.#remoteStatic = options.remote;
    const name = Buffer.alloc(32);
    name.write(`Noise_${options.pattern}_25519_AESGCM_SHA256`, 'ascii');
    this.#hash = name;
    this.#chainingKey = name;
    this.#mixHash(Buffer.from(options.prologue, 'ascii'));
    this.#mixHash(options.initiator ? options.remote! : options.local!.publicKey);
  }

  /** The peer's static public key, once it is known. */
  get remoteStatic(): Buffer | undefined {
    return this.#remoteStatic;
  }

  /** Writes the next message. `ephemeralSecret` is 32 fresh random bytes and is wiped. */
  write(payload: Uint8Array, ephemeralSecret: Uint8Array): Buffer | undefined {
    const parts: Uint8Array[] = [];
    for (const token of MESSAGES[this.#pattern][this.#message]!) {
      if (token === 'e') {
        this.#ephemeral = new DhKeyPair(ephemeralSecret);
        wipe(ephemeralSecret);
        this.#mixHash(this.#ephemeral.publicKey);
        parts.push(this.#ephemeral.publicKey);
      } else if (token === 's') {
        parts.push(this.#encryptAndHash(this.#local!.publicKey));
      } else if (!this.#agree(token)) return undefined;
    }
    parts.push(this.#encryptAndHash(payload));
    this.#message += 1;
    return Buffer.concat(parts);
  }

  /** Reads the next message and returns its payload; undefined, and no change, if it is short or does not verify. */
  read(message: Uint8Array): Buffer | undefined {
    const [hash, chainingKey, cipher, counter] = [this.#hash, this.#chainingKey, this.#cipher, this.#counter];
    const [remoteStatic, remoteEphemeral] = [this.#remoteStatic, this.#remoteEphemeral];
    const payload = this.#readTokens(message);
    if (payload) return payload;
    [this.#hash, this.#chainingKey, this.#cipher, this.#counter] = [hash, chainingKey, cipher, counter];
    [this.#remoteStatic, this.#remoteEphemeral] = [remoteStatic, remoteEphemeral];
    return undefined;
  }

  #readTokens(message: Uint8Array): Buffer | undefined {
    let rest = Buffer.from(message);
    for (const token of MESSAGES[this.#pattern][this.#message]!) {
      if (token === 'e') {
        if (rest.length < KEY_BYTES) return undefined;
        this.#remoteEphemeral = rest.subarray(0, KEY_BYTES);
        this.#mixHash(this.#remoteEphemeral);
        rest = rest.subarray(KEY_BYTES);
      } else if (token === 's') {
        const sealed = rest.subarray(0, KEY_BYTES + AEAD_TAG_BYTES);
        this.#remoteStatic = this.#decryptAndHash(sealed);
        if (this.#remoteStatic?.length !== KEY_BYTES) return undefined;
        rest = rest.subarray(sealed.length);
      } else if (!this.#agree(token)) return undefined;
    }
    const payload = this.#decryptAndHash(rest);
    if (payload) this.#message += 1;
    return payload;
  }

  /** The transport keys; only after the second message. */
  split(): TransportKeys {
    const [first, second] = this.#hkdf(Buffer.alloc(0));
    wipe(this.#chainingKey);
    return this.#initiator ? { send: first, receive: second } : { send: second, receive: first };
  }

  /**
   * The handshake hash, 32 bytes: the same at both ends, and for no two handshakes (section 11.2). From the second message
   * on, before `split` and after. It is no secret and no key.
   */
  channelBinding(): Buffer {
    assert(this.#message === 2, 'both messages are in the hash');
    return Buffer.from(this.#hash);
  }

  /** Mixes in one Diffie-Hellman result: first letter the initiator's key, second the responder's. */
  #agree(token: Token): boolean {
    const ours = this.#initiator ? token[0] : token[1];
    const theirs = this.#initiator ? token[1] : token[0];
    const pair = ours === 'e' ? this.#ephemeral : this.#local;
    const peer = theirs === 'e' ? this.#remoteEphemeral : this.#remoteStatic;
    const shared = pair!.agree(peer!);
    if (!shared) return false;
    const [chainingKey, key] = this.#hkdf(shared);
    this.#chainingKey = chainingKey;
    this.#cipher = new Aead(key);
    this.#counter = 0;
    wipe(shared);
    wipe(key);
    return true;
  }

  #encryptAndHash(plain: Uint8Array): Buffer {
    const sealed = Buffer.concat([plain, Buffer.alloc(AEAD_TAG_BYTES)]);
    this.#cipher!.seal(sealed, 0, plain.length, this.#counter, this.#hash);
    this.#counter += 1;
    this.#mixHash(sealed);
    return sealed;
  }

  #decryptAndHash(sealed: Buffer): Buffer | undefined {
    const length = sealed.length - AEAD_TAG_BYTES;
    if (length < 0) return undefined;
    const plain = Buffer.from(sealed);
    if (!this.#cipher!.open(plain, 0, length, this.#counter, this.#hash)) return undefined;
    this.#counter += 1;
    this.#mixHash(sealed);
    return plain.subarray(0, length);
  }

  #mixHash(data: Uint8Array): void {
    this.#hash = createHash('sha256').update(this.#hash).update(data).digest();
  }

  /** Noise's HKDF with two outputs (section 4.3). */
  #hkdf(input: Uint8Array): [Buffer, Buffer] {
    const temporary = createHmac('sha256', this.#chainingKey).update(input).digest();
    const first = createHmac('sha256', temporary).update(Buffer.of(1)).digest();
    const second = createHmac('sha256', temporary).update(first).update(Buffer.of(2)).digest();
    wipe(temporary);
    return [first, second];
  }
}
