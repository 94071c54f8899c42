import {
  createHash,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  hkdfSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import sodium from 'libsodium-wrappers';

/**
 * Keys as types that do not print themselves, and the few ways in which they are made.
 *
 * Everything is deterministic: entropy comes in as a seed. JavaScript cannot promise that a wiped buffer leaves no copy
 * (the collector may have moved it); wiping is what can be done here, and OpenSSL's own copies are wiped by OpenSSL.
 */
await sodium.ready;

export const KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** RFC 8410 wrappings of raw keys: the only form in which node:crypto takes them. */
const PKCS8 = { ed25519: '302e020100300506032b657004220420', x25519: '302e020100300506032b656e04220420' };
const SPKI = { ed25519: '302a300506032b6570032100', x25519: '302a300506032b656e032100' };
type Curve = keyof typeof PKCS8;

function privateKey(curve: Curve, raw: Uint8Array): KeyObject {
  const der = Buffer.concat([Buffer.from(PKCS8[curve], 'hex'), raw]);
  try {
    return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } finally {
    wipe(der);
  }
}

function publicKey(curve: Curve, raw: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([Buffer.from(SPKI[curve], 'hex'), raw]), format: 'der', type: 'spki' });
}

function rawPublic(key: KeyObject): Buffer {
  return createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-KEY_BYTES);
}

export function wipe(bytes: Uint8Array): void {
  bytes.fill(0);
}

/** An X25519 key pair (RFC 7748); the private half can be used but not read. */
export class DhKeyPair {
  readonly #private: KeyObject;
  /** 32 bytes. */
  readonly publicKey: Buffer;

  constructor(secret: Uint8Array) {
    this.#private = privateKey('x25519', secret);
    this.publicKey = rawPublic(this.#private);
  }

  /** The shared secret with a peer's public key, 32 bytes; undefined for a point of small order. The caller wipes it. */
  agree(peer: Uint8Array): Buffer | undefined {
    try {
      return diffieHellman({ privateKey: this.#private, publicKey: publicKey('x25519', peer) });
    } catch {
      return undefined;
    }
  }
}

/** An Ed25519 identity (RFC 8032) and the X25519 key that hangs on it. */
export class Identity {
  readonly #private: KeyObject;
  readonly publicKey: Buffer;
  /** Static key of the caller's end-to-end handshakes: the X25519 form of the identity itself, so that a contact string carries one key. */
  readonly endToEnd: DhKeyPair;

  constructor(seed: Uint8Array) {
    if (seed.length !== KEY_BYTES) throw new RangeError(`identity seed must be ${KEY_BYTES} bytes, got ${seed.length}`);
    this.#private = privateKey('ed25519', seed);
    this.publicKey = rawPublic(this.#private);
    const pair = sodium.crypto_sign_seed_keypair(seed);
    const endToEndSecret = sodium.crypto_sign_ed25519_sk_to_curve25519(pair.privateKey);
    this.endToEnd = new DhKeyPair(endToEndSecret);
    for (const secret of [pair.privateKey, endToEndSecret]) wipe(secret);
  }

  sign(message: Uint8Array): Buffer {
    return sign(null, message, this.#private);
  }
}

/** The static keys of a node that are changed in its life: of its links, and of the circuits that clients make to it. */
export const KEY_KINDS = ['link', 'circuit'] as const;
export type KeyKind = (typeof KEY_KINDS)[number];

export interface NumberedPair {
  readonly number: number;
  readonly pair: DhKeyPair;
}

/** Of each kind at least one, by number, the oldest first. */
export type NodeKeys = Readonly<Record<KeyKind, readonly NumberedPair[]>>;

/** A private half, on its way from a file to where it is used. Whoever has it wipes it. */
export interface NumberedSeed {
  readonly number: number;
  readonly seed: Uint8Array;
}
export type KeySeeds = Readonly<Record<KeyKind, readonly NumberedSeed[]>>;

/** What a node has that is given no keys but its identity: number 0 of each kind, out of the same seed. */
export function derivedSeeds(identitySeed: Uint8Array): KeySeeds {
  const derived = (kind: KeyKind) => [{ number: 0, seed: deriveKey(identitySeed, `herd ${kind} key`) }];
  return { link: derived('link'), circuit: derived('circuit') };
}

export function nodeKeys(seeds: KeySeeds): NodeKeys {
  const pairs = (kind: KeyKind) => seeds[kind].map(({ number, seed }) => ({ number, pair: new DhKeyPair(seed) }));
  return { link: pairs('link'), circuit: pairs('circuit') };
}

export function wipeSeeds(seeds: KeySeeds): void {
  for (const kind of KEY_KINDS) for (const { seed } of seeds[kind]) wipe(seed);
}

export function verifySignature(publicKeyRaw: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKeyRaw.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false;
  return verify(null, message, publicKey('ed25519', publicKeyRaw), signature);
}

/** The X25519 form of an Ed25519 public key (the birational map of RFC 7748 section 4.1); undefined if it is not a point. */
export function endToEndKeyOf(identityKey: Uint8Array): Buffer | undefined {
  try {
    return Buffer.from(sodium.crypto_sign_ed25519_pk_to_curve25519(identityKey));
  } catch {
    return undefined;
  }
}

/** 32 bytes for one purpose out of a key (HKDF-SHA-256, RFC 5869, empty salt); `purpose` names the use. */
export function deriveKey(key: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', key, Buffer.alloc(0), purpose, KEY_BYTES));
}

/** The first `bytes` bytes of SHA-256(label | data): names that need no secret, such as a node's tag. */
export function tagOf(label: string, data: Uint8Array, bytes: number): Buffer {
  return createHash('sha256').update(label).update(data).digest().subarray(0, bytes);
}
