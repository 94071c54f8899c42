/** Kubernetes objects of one superpeer. */
import type { Superpeer } from '../api/superpeer.ts';
import { configHash, configMap, type DirectoryAddress, nodeConfig } from './config.ts';
import { identitySecretName, type Owner } from './labels.ts';
import { cellsPort, nodeStatefulSet } from './pod.ts';
import { seedKey } from './secret.ts';

export interface SuperpeerInput {
  readonly superpeer: Superpeer;
  readonly identityKey: string;
  readonly directory: DirectoryAddress;
  readonly image: string;
}

export function superpeerObjects({ superpeer, identityKey, directory, image }: SuperpeerInput) {
  const owner: Owner = { kind: 'Superpeer', metadata: superpeer.metadata };
  const id = superpeer.metadata.name;
  const zone = superpeer.spec.zoneRef;
  const config = nodeConfig('superpeer', id, zone, directory);
  const statefulSet = nodeStatefulSet({
    owner,
    zone,
    role: 'superpeer',
    id,
    region: superpeer.spec.region,
    image,
    port: cellsPort,
    keys: [{ secret: { name: identitySecretName(id), items: [{ key: seedKey.identity, path: 'identity' }] } }],
    configHash: configHash(config, [identityKey]),
  });
  return { configMap: configMap(owner, zone, config), statefulSet };
}
