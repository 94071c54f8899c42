/**
 * Secrets with seeds. One with an identity or root seed holds nothing else. It is created once and immutable; its public half is an
 * annotation, so that nobody needs to read the seed. One with keys that change gains and loses them one by one, each with an
 * annotation that says when it was made.
 */
import type { Manifest } from '../kube/types.ts';
import type { KeyKind, MadeKey } from '../plan/key-rotation.ts';
import { childMetadata, type Owner, publicKeyAnnotation } from './labels.ts';

/** File name of the seed inside the Secret, by what it is for. */
export const seedKey = { identity: 'identity', root: 'root' } as const;

export interface KeySecret {
  readonly name: string;
  readonly key: keyof typeof seedKey;
  readonly labels: Record<string, string>;
}

/** @param seed base64 of 32 bytes, the file's text as the daemons read it */
export function keySecret(owner: Owner, wanted: KeySecret, seed: string, publicKey: string) {
  const metadata = childMetadata(owner, wanted.name, wanted.labels);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { ...metadata, annotations: { [publicKeyAnnotation]: publicKey } },
    type: 'herd.network/ed25519-seed',
    immutable: true,
    stringData: { [seedKey[wanted.key]]: seed },
  } satisfies Manifest & { type: string; immutable: true; stringData: object };
}

/** Keys that change: a Secret, and what the names of its keys begin with, by kind. */
export interface ChangingKeys {
  readonly secret: string;
  readonly labels: Record<string, string>;
  readonly prefix: (kind: KeyKind) => string;
}

export const madeAnnotation = (kind: KeyKind, number: number) => `herd.network/made-${kind}-${number}`;

/** The keys that a Secret's annotations tell of. */
export function madeKeys(annotations: Readonly<Record<string, string>> = {}): MadeKey[] {
  return Object.entries(annotations).flatMap(([name, made]) => {
    const found = /^herd\.network\/made-(link|circuit|signing)-([0-9]+)$/.exec(name);
    return found ? [{ kind: found[1] as KeyKind, number: Number(found[2]), madeMs: Date.parse(made) }] : [];
  });
}

/**
 * One key of such a Secret, applied under a manager of its own, so that no other is touched and none is read.
 * @param seed base64 of 32 bytes, the file's text as the daemons read it; undefined to remove the key
 */
export function changingKey(
  owner: Owner,
  keys: ChangingKeys,
  kind: KeyKind,
  number: number,
  made: string,
  seed?: string,
) {
  const metadata = childMetadata(owner, keys.secret, keys.labels);
  const data = { [`${keys.prefix(kind)}-${number}`]: Buffer.from(seed ?? '').toString('base64') };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: seed === undefined ? metadata : { ...metadata, annotations: { [madeAnnotation(kind, number)]: made } },
    type: 'herd.network/keys',
    ...(seed === undefined ? {} : { data }),
  } satisfies Manifest & { type: string; data?: object };
}
