/** A Secret with one Ed25519 seed. It is created once and immutable; its public half is an annotation, so that nobody needs to read the seed. */
import type { Manifest } from '../kube/types.ts';
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
