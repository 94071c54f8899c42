/**
 * Makes the Ed25519 seeds of zones and nodes, once, and looks up their public halves; makes and removes keys that change.
 * Upholds: a seed leaves this file only into the Secret that is created with it; it is in no log, status, error or cache.
 * Its bytes are wiped after use. The base64 text that goes into the request can't be: it is the garbage collector's.
 */
import sodium from 'libsodium-wrappers';
import type { KubeClient } from '../kube/client.ts';
import { isConflict } from '../kube/errors.ts';
import { controllerOf, type KubeObject, secrets } from '../kube/types.ts';
import { type Owner, publicKeyAnnotation } from '../objects/labels.ts';
import { type ChangingKeys, changingKey, type KeySecret, keySecret, madeKeys } from '../objects/secret.ts';
import { type KeyKind, type MadeKey, planRotation, type RotationTimes } from '../plan/key-rotation.ts';

export interface KeysFound {
  /** Secret name → public key, base64. */
  readonly keys: ReadonlyMap<string, string>;
  readonly problem: { readonly reason: string; readonly message: string } | undefined;
}

/** How long a looked-up public key is believed: a Secret that someone deleted comes back after so long at most. */
const believedMs = 60_000;

const keyManager = (kind: KeyKind, number: number) => `herd-key-${kind}-${number}`;

interface Known {
  readonly publicKey: string;
  readonly untilMs: number;
}

export class KeyKeeper {
  readonly #client: KubeClient;
  readonly #believedMs: number;
  /** Owner uid → Secret name → key. BOUNDED: by the Secrets of living owners; forget() drops an owner. */
  readonly #known = new Map<string, Map<string, Known>>();
  /** Owner uid → the keys that change. BOUNDED: as #known. */
  readonly #made = new Map<string, { readonly keys: readonly MadeKey[]; readonly untilMs: number }>();

  constructor(client: KubeClient, options: { believedMs?: number } = {}) {
    this.#client = client;
    this.#believedMs = options.believedMs ?? believedMs;
  }

  /** @param publishedRootKey a zone's root key that others already trust: never made anew */
  async ensure(owner: Owner, wanted: readonly KeySecret[], publishedRootKey?: string): Promise<KeysFound> {
    const keys = new Map<string, string>();
    let problem: KeysFound['problem'];
    for (const want of wanted) {
      const found = this.#remembered(owner, want) ?? (await this.#lookUp(owner, want));
      if (typeof found === 'string') keys.set(want.name, found);
      else if (found) problem = found;
      else if (want.key === 'root' && publishedRootKey !== undefined) problem = lost(want);
      else keys.set(want.name, await this.#make(owner, want));
    }
    this.#remember(owner, keys);
    return { keys, problem };
  }

  /** Makes and removes the keys whose time has come. @returns the ones that there are now */
  async rotate(
    owner: Owner,
    keys: ChangingKeys,
    kinds: readonly KeyKind[],
    times: RotationTimes,
    nowMs: number,
  ): Promise<readonly MadeKey[]> {
    const { uid, namespace } = owner.metadata;
    const known = this.#made.get(uid);
    const made =
      known && performance.now() < known.untilMs
        ? known.keys
        : madeKeys((await this.#client.getMetadata(secrets, namespace, keys.secret))?.metadata.annotations);
    const { make, remove } = planRotation(kinds, made, times, nowMs);
    const added: MadeKey[] = [];
    for (const { kind, number } of make) {
      // Until the answer comes nobody knows what there is.
      this.#made.delete(uid);
      await this.#addKey(owner, keys, kind, number, nowMs);
      added.push({ kind, number, madeMs: nowMs });
    }
    for (const { kind, number } of remove) {
      this.#made.delete(uid);
      await this.#client.apply(secrets, changingKey(owner, keys, kind, number, ''), keyManager(kind, number));
    }
    const now = [...made.filter((key) => !remove.includes(key)), ...added];
    const changed = make.length > 0 || remove.length > 0 || !known;
    const untilMs = changed ? performance.now() + this.#believedMs : known.untilMs;
    this.#made.set(uid, { keys: now, untilMs });
    return now;
  }

  async #addKey(owner: Owner, keys: ChangingKeys, kind: KeyKind, number: number, nowMs: number): Promise<void> {
    await sodium.ready;
    const seed = sodium.randombytes_buf(32);
    try {
      const text = Buffer.from(seed.buffer, seed.byteOffset, seed.length).toString('base64');
      const made = new Date(nowMs).toISOString();
      await this.#client.apply(secrets, changingKey(owner, keys, kind, number, made, text), keyManager(kind, number));
    } finally {
      sodium.memzero(seed);
    }
  }

  forget(ownerUid: string): void {
    this.#known.delete(ownerUid);
    this.#made.delete(ownerUid);
  }

  #remembered(owner: Owner, want: KeySecret): string | undefined {
    const known = this.#known.get(owner.metadata.uid)?.get(want.name);
    return known && performance.now() < known.untilMs ? known.publicKey : undefined;
  }

  #remember(owner: Owner, keys: ReadonlyMap<string, string>): void {
    const before = this.#known.get(owner.metadata.uid);
    const now = performance.now();
    const known = new Map<string, Known>();
    for (const [name, publicKey] of keys) {
      const old = before?.get(name);
      known.set(name, old && now < old.untilMs ? old : { publicKey, untilMs: now + this.#believedMs });
    }
    this.#known.set(owner.metadata.uid, known);
  }

  async #lookUp(owner: Owner, want: KeySecret): Promise<string | KeysFound['problem']> {
    const secret = await this.#client.getMetadata(secrets, owner.metadata.namespace, want.name);
    return secret && readSecret(owner, secret);
  }

  async #make(owner: Owner, want: KeySecret): Promise<string> {
    await sodium.ready;
    const seed = sodium.randombytes_buf(32);
    const pair = sodium.crypto_sign_seed_keypair(seed);
    try {
      const publicKey = Buffer.from(pair.publicKey).toString('base64');
      const text = Buffer.from(seed.buffer, seed.byteOffset, seed.length).toString('base64');
      await this.#client.create(secrets, keySecret(owner, want, text, publicKey));
      return publicKey;
    } catch (error) {
      // Made between our look and our create, or by a create whose answer was lost: it holds, ours is forgotten.
      if (!isConflict(error)) throw error;
      const found = await this.#lookUp(owner, want);
      if (typeof found === 'string') return found;
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
