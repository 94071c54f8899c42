import { randomBytes } from 'node:crypto';
import type { DirectoryZone } from '../config/node.ts';
import { Identity, type NumberedSeed, wipe } from '../crypto/keys.ts';
import { keyFolder, readSeed } from '../host/daemon.ts';
import { log } from '../host/log.ts';
import { CLOCK_SKEW_MS, CONSENSUS_LIFETIME_MS } from './directory.ts';
import { Signer, type SigningKey } from './signer.ts';

/**
 * Whoever signs for each zone: its root key, in the file ZONE, certifies the keys in the files ZONE-signing-N, which may
 * change; without any of these, a key that nobody else has and that ends with the process.
 */
interface ZoneKeys {
  readonly signer: Signer;
  /** The keys in the files, if they are others than at the last time. */
  readonly read: () => SigningKey[] | undefined;
  told: string;
}

export class Signers {
  readonly #epochMs: number;
  /** By zone. BOUNDED: by the configuration. */
  #zones: ReadonlyMap<string, ZoneKeys> = new Map();

  constructor(epochSeconds: number) {
    this.#epochMs = epochSeconds * 1000;
  }

  /** Those of these zones, of a new one from its files; throws, and changes nothing, if these cannot be read. */
  follow(zones: readonly DirectoryZone[]): ReadonlyMap<string, Signer> {
    this.#zones = new Map(zones.map(({ zone }) => [zone, this.#zones.get(zone) ?? this.#begun(zone)]));
    return new Map([...this.#zones].map(([zone, { signer }]) => [zone, signer]));
  }

  /** Takes the signing keys that have come and forgets those that have gone. */
  renew(nowMs: number): void {
    for (const [zone, keys] of this.#zones) {
      const problem = renewed(nowMs, keys);
      if (problem !== '' && problem !== keys.told)
        log('warn', 'signing keys not taken, the ones before stay', { zone, reason: problem });
      keys.told = problem;
    }
  }

  /** Of the key that signs now, by zone. */
  numbers(nowMs: number): (readonly [zone: string, number: number])[] {
    return [...this.#zones].map(([zone, { signer }]) => [zone, signer.keyNumber(nowMs)]);
  }

  #begun(zone: string): ZoneKeys {
    const folder = keyFolder([`${zone}-signing`]);
    const read = () => Object.values(folder.read() ?? {}).map(signingKeys)[0];
    const root = identityOf(readSeed(zone));
    const times = { epochMs: this.#epochMs, lifetimeMs: CONSENSUS_LIFETIME_MS, clockSkewMs: CLOCK_SKEW_MS };
    const keys = read() ?? [{ number: 0, identity: identityOf(randomBytes(32)) }];
    return { signer: new Signer({ zone, root, ...times }, keys), read, told: '' };
  }
}

/** What is wrong with the files, if anything is. */
function renewed(nowMs: number, { signer, read }: ZoneKeys): string {
  try {
    const keys = read();
    return keys && !signer.follow(nowMs, keys) ? 'their numbers go back' : '';
  } catch (error) {
    return (error as Error).message;
  }
}

/** The seed is wiped. */
function identityOf(seed: Uint8Array): Identity {
  try {
    return new Identity(seed);
  } finally {
    wipe(seed);
  }
}

const signingKeys = (seeds: readonly NumberedSeed[]): SigningKey[] =>
  seeds.map(({ number, seed }) => ({ number, identity: identityOf(seed) }));
