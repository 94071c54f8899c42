import { signCertificate } from '../config/certificate.ts';
import { inForce } from '../config/consensus.ts';
import type { Identity } from '../crypto/keys.ts';
import { type CertifiedText, type SignedPurpose, type SignedText, signText } from '../crypto/signed.ts';
import { type KnownKey, scheduled } from './schedule.ts';

/**
 * Signs a zone's documents under a key that changes, and certifies that key with the zone's root key.
 *
 * Property: what is signed can be verified for as long as it is good itself: a certificate outlives every document that
 * is signed in its epoch. Who gets hold of a signing key can use it until its certificate ends, and no longer.
 */
export interface SigningKey {
  readonly number: number;
  readonly identity: Identity;
}

export interface SignerOptions {
  readonly zone: string;
  readonly root: Identity;
  readonly epochMs: number;
  /** How long what is signed is good, at most. */
  readonly lifetimeMs: number;
  /** Clocks of others may be behind by this much. */
  readonly clockSkewMs: number;
}

const textOf = ({ identity }: SigningKey) => identity.publicKey.toString('base64');

export class Signer {
  readonly #options: SignerOptions;
  /** By public key. BOUNDED: by the files that are read (config/key-files.ts). */
  #identities: ReadonlyMap<string, Identity>;
  /** By number. BOUNDED: as #identities. */
  #keys: readonly KnownKey[];
  /** The newest certificate. */
  #certificate: { readonly key: string; readonly epoch: number; readonly signed: SignedText } | undefined;

  /** At least one key, by number. */
  constructor(options: SignerOptions, keys: readonly SigningKey[]) {
    this.#options = options;
    this.#identities = identitiesOf(keys);
    this.#keys = scheduled(0, options.epochMs, undefined, published(keys))!;
  }

  /** Takes the keys that there are now, by number; false, and no change, if they go back. A new one is in force as schedule.ts says. */
  follow(nowMs: number, keys: readonly SigningKey[]): boolean {
    const known = scheduled(nowMs, this.#options.epochMs, this.#keys, published(keys));
    if (!known) return false;
    this.#keys = known;
    this.#identities = identitiesOf(keys);
    return true;
  }

  /** Of the key in force. */
  keyNumber(nowMs: number): number {
    return inForce(nowMs, this.#keys).number;
  }

  sign(nowMs: number, purpose: SignedPurpose, text: string): CertifiedText {
    const { key } = inForce(nowMs, this.#keys);
    return { ...signText(this.#identities.get(key)!, purpose, text), certificate: this.#certified(nowMs, key) };
  }

  /** Made anew in each epoch. */
  #certified(nowMs: number, key: string): SignedText {
    const { zone, root, epochMs, lifetimeMs, clockSkewMs } = this.#options;
    const epoch = Math.floor(nowMs / epochMs);
    if (this.#certificate?.key !== key || this.#certificate.epoch !== epoch) {
      const start = epoch * epochMs;
      const [from, until] = [Math.max(0, start - clockSkewMs), start + lifetimeMs + 2 * epochMs];
      this.#certificate = { key, epoch, signed: signCertificate(root, { zone, signingKey: key, from, until }) };
    }
    return this.#certificate.signed;
  }
}

function identitiesOf(keys: readonly SigningKey[]): Map<string, Identity> {
  return new Map(keys.map((key) => [textOf(key), key.identity]));
}

const published = (keys: readonly SigningKey[]) => keys.map((key) => ({ number: key.number, key: textOf(key) }));
