/** Kubernetes objects of one mix. */
import type { Zone } from '../api/zone.ts';
import { configHash, configMap, type DirectoryAddress, nodeConfig } from './config.ts';
import { identitySecretName, type Owner } from './labels.ts';
import { cellsPort, nodeStatefulSet } from './pod.ts';
import { seedKey } from './secret.ts';

export interface MixInput {
  readonly zone: Zone;
  readonly id: string;
  readonly identityKey: string;
  readonly directory: DirectoryAddress;
  readonly image: string;
}

export function mixObjects({ zone, id, identityKey, directory, image }: MixInput) {
  const owner: Owner = { kind: 'Zone', metadata: zone.metadata };
  const config = nodeConfig('mix', id, zone.metadata.name, directory);
  const statefulSet = nodeStatefulSet({
    owner,
    zone: zone.metadata.name,
    role: 'mix',
    id,
    region: zone.spec.region,
    image,
    port: cellsPort,
    keys: [{ secret: { name: identitySecretName(id), items: [{ key: seedKey.identity, path: 'identity' }] } }],
    configHash: configHash(config, [identityKey]),
  });
  return { configMap: configMap(owner, zone.metadata.name, config), statefulSet };
}
