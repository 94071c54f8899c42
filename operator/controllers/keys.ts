/**
 * Makes the Ed25519 seeds of zones and nodes, once, and looks up their public halves; makes and removes keys that change.
 * Upholds: a seed leaves this file only into the Secret that is created with it; it is in no log, status, error or cache.
 * Its bytes are wiped after use. The base64 text that goes into the request can't be: it is the garbage collector's.
 */
import sodium from 'libsodium-wrappers';
import type { Condition } from '../api/conditions.ts';
import type { KubeClient } from '../kube/client.ts';
import { isConflict } from '../kube/errors.ts';
import { controllerOf, type KubeObject, secrets } from '../kube/types.ts';
import { type Owner, publicKeyAnnotation } from '../objects/labels.ts';
import {
  type ChangingKeys,
  changingKeySecret,
  type KeySecret,
  keyChanges,
  keySecret,
  madeKeys,
} from '../objects/secret.ts';
import { type KeyKind, type MadeKey, planRotation, type Rotation, type RotationTimes } from '../plan/key-rotation.ts';

export interface KeysFound {
  /** Secret name → public key, base64. */
  readonly keys: ReadonlyMap<string, string>;
  readonly problem: { readonly reason: string; readonly message: string } | undefined;
}

/**
 * What its status says of an owner: nothing yet, so that nobody made its Secrets before; that all is well; or less.
 * All is well means that nodes run with the Secrets they have: one that is deleted meanwhile is missed only when its pod
 * has to start again, and from then on all is not well.
 */
export type Standing = 'new' | 'settled' | 'unsettled';

export function standingOf(status: { readonly conditions: readonly Condition[] } | undefined): Standing {
  if (!status) return 'new';
  return status.conditions.some((c) => c.type === 'Ready' && c.status === 'True') ? 'settled' : 'unsettled';
}

/** How long a looked-up public key is believed, at most: a Secret that someone deleted comes back after that. */
const believedMs: Record<Standing, number> = { new: 300_000, settled: 24 * 3_600_000, unsettled: 300_000 };

interface Belief {
  readonly atMs: number;
  /** Between a half and 1: thousands that were looked up together are not looked up together again. */
  readonly patience: number;
}
type Known = Belief & { readonly publicKey: string };

const newlyKnown = (): Belief => ({ atMs: performance.now(), patience: (1 + Math.random()) / 2 });

export class KeyKeeper {
  readonly #client: KubeClient;
  readonly #believedMs: Record<Standing, number>;
  /** Owner uid → Secret name → key. BOUNDED: by the Secrets of living owners; forget() drops an owner. */
  readonly #known = new Map<string, Map<string, Known>>();
  /** Owner uid → the keys that change. BOUNDED: as #known. */
  readonly #made = new Map<string, Belief & { readonly keys: readonly MadeKey[] }>();

  constructor(client: KubeClient, options: { believedMs?: number } = {}) {
    this.#client = client;
    const ms = options.believedMs;
    this.#believedMs = ms === undefined ? believedMs : { new: ms, settled: ms, unsettled: ms };
  }

  /** @param publishedRootKey a zone's root key that others already trust: never made anew */
  async ensure(
    owner: Owner,
    wanted: readonly KeySecret[],
    standing: Standing,
    publishedRootKey?: string,
  ): Promise<KeysFound> {
    const keys = new Map<string, string>();
    let problem: KeysFound['problem'];
    for (const want of wanted) {
      const mayMake = want.key !== 'root' || publishedRootKey === undefined;
      const found = (await this.#find(owner, want, standing)) ?? (mayMake ? await this.#make(owner, want) : lost(want));
      if (typeof found === 'string') keys.set(want.name, found);
      else problem = found;
    }
    this.#remember(owner, keys, standing);
    return { keys, problem };
  }

  /** Makes and removes the keys whose time has come. @returns the ones that there are now */
  async rotate(
    owner: Owner,
    keys: ChangingKeys,
    kinds: readonly KeyKind[],
    times: RotationTimes,
    standing: Standing,
    nowMs: number,
  ): Promise<readonly MadeKey[]> {
    const { uid, namespace } = owner.metadata;
    const known = this.#made.get(uid);
    const believed = known && this.#believes(known, standing) ? known : undefined;
    // As with #find: a new owner's are not looked for.
    const look = async () =>
      standing === 'new' ? {} : (await this.#client.getMetadata(secrets, namespace, keys.secret))?.metadata.annotations;
    const made = believed?.keys ?? madeKeys(await look());
    const { make, remove } = planRotation(kinds, made, times, nowMs);
    if (make.length + remove.length > 0) {
      // Until the answer comes nobody knows what there is.
      this.#made.delete(uid);
      try {
        await this.#change(owner, keys, made.length === 0, { make, remove }, nowMs);
      } catch (error) {
        if (standing !== 'new' || !isConflict(error)) throw error;
        return this.rotate(owner, keys, kinds, times, 'unsettled', nowMs);
      }
    }
    const now = [...made.filter((key) => !remove.includes(key)), ...make.map((key) => ({ ...key, madeMs: nowMs }))];
    const { atMs, patience } = believed ?? newlyKnown();
    this.#made.set(uid, { keys: now, atMs, patience });
    return now;
  }

  async #change(
    owner: Owner,
    keys: ChangingKeys,
    isFirst: boolean,
    { make, remove }: Rotation,
    nowMs: number,
  ): Promise<void> {
    await sodium.ready;
    const seeds = make.map(() => sodium.randombytes_buf(32));
    try {
      const added = make.map((key, index) => ({ ...key, seed: Buffer.from(seeds[index]!).toString('base64') }));
      const time = new Date(nowMs).toISOString();
      if (isFirst) await this.#client.create(secrets, changingKeySecret(owner, keys, time, added));
      else {
        const { namespace } = owner.metadata;
        await this.#client.patch(secrets, namespace, keys.secret, keyChanges(keys, time, added, remove));
      }
    } finally {
      for (const seed of seeds) sodium.memzero(seed);
    }
  }

  forget(ownerUid: string): void {
    this.#known.delete(ownerUid);
    this.#made.delete(ownerUid);
  }

  /** A new owner's are not looked for: whether they are there after all is seen when they are made. */
  async #find(owner: Owner, want: KeySecret, standing: Standing): Promise<string | KeysFound['problem']> {
    const known = this.#known.get(owner.metadata.uid)?.get(want.name);
    if (known && this.#believes(known, standing)) return known.publicKey;
    return standing === 'new' ? undefined : this.#lookUp(owner, want);
  }

  #believes({ atMs, patience }: Belief, standing: Standing): boolean {
    return performance.now() < atMs + patience * this.#believedMs[standing];
  }

  #remember(owner: Owner, keys: ReadonlyMap<string, string>, standing: Standing): void {
    const before = this.#known.get(owner.metadata.uid);
    const known = new Map<string, Known>();
    for (const [name, publicKey] of keys) {
      const old = before?.get(name);
      const still = old && this.#believes(old, standing);
      known.set(name, still ? old : { publicKey, ...newlyKnown() });
    }
    this.#known.set(owner.metadata.uid, known);
  }

  async #lookUp(owner: Owner, want: KeySecret): Promise<string | KeysFound['problem']> {
    const secret = await this.#client.getMetadata(secrets, owner.metadata.namespace, want.name);
    return secret && readSecret(owner, secret);
  }

  async #make(owner: Owner, want: KeySecret): Promise<string | KeysFound['problem']> {
    await sodium.ready;
    const seed = sodium.randombytes_buf(32);
    const pair = sodium.crypto_sign_seed_keypair(seed);
    try {
      const publicKey = Buffer.from(pair.publicKey).toString('base64');
      const text = Buffer.from(seed.buffer, seed.byteOffset, seed.length).toString('base64');
      await this.#client.create(secrets, keySecret(owner, want, text, publicKey));
      return publicKey;
    } catch (error) {
      // Made before, by whomever, or by a create of ours whose answer was lost: it holds, this one is forgotten.
      if (!isConflict(error)) throw error;
      const found = await this.#lookUp(owner, want);
      if (found) return found;
      throw error;
    } finally {
      sodium.memzero(seed);
      sodium.memzero(pair.privateKey);
    }
  }
}

function readSecret(owner: Owner, secret: KubeObject): string | KeysFound['problem'] {
  const { name, annotations } = secret.metadata;
  const holder = controllerOf(secret);
  if (holder?.uid !== owner.metadata.uid) {
    const whose = holder ? `${holder.kind} ${holder.name} (uid ${holder.uid})` : 'nobody';
    return { reason: 'SecretOfAnother', message: `Secret ${name} exists and belongs to ${whose}` };
  }
  const publicKey = annotations?.[publicKeyAnnotation];
  return publicKey ?? { reason: 'NoPublicKey', message: `Secret ${name} has no annotation ${publicKeyAnnotation}` };
}

function lost({ name }: KeySecret): KeysFound['problem'] {
  const message = `Secret ${name} is gone, but its key is published: restore the Secret, or delete the zone and create it anew`;
  return { reason: 'RootKeyLost', message };
}
