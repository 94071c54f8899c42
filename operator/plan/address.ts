/**
 * Where others reach a node. Pure.
 *
 * Property: never at an address that nobody has vouched for. In order: what a person has written on the machine, its
 * ExternalIP, which is the cloud's word; and its InternalIP only where the Zone says that all parties are in its network,
 * since elsewhere it would be published, and lead nowhere or to somebody else.
 */
import { isIPv4 } from 'node:net';
import type { Network } from '../api/fields.ts';
import type { KubeNode, Pod } from '../kube/types.ts';
import { publicAddressAnnotation } from '../objects/labels.ts';
import type { Problem } from './status.ts';

/**
 * By what its pod is: one of an older template may be in another network than the slot wants.
 * @returns an IPv4 address: nodes speak no other
 */
export function addressOf(
  accepted: Network['addresses'],
  pod: Pod | undefined,
  machine: KubeNode | undefined,
): string | Problem {
  if (!pod) return notPlaced;
  return pod.spec?.hostNetwork ? ofMachine(accepted, machine) : ofPod(pod);
}

const notPlaced: Problem = { reason: 'NotPlaced', message: 'the pod has no machine and address yet' };

function ofPod({ metadata, status }: Pod): string | Problem {
  const addresses = status?.podIPs?.map(({ ip }) => ip) ?? [];
  if (addresses.length === 0) return notPlaced;
  const message = `pod ${metadata.name} has no IPv4 address`;
  return addresses.find((address) => isIPv4(address)) ?? { reason: 'NoAddress', message };
}

function ofMachine(accepted: Network['addresses'], machine: KubeNode | undefined): string | Problem {
  if (!machine) return notPlaced;
  const { name, annotations } = machine.metadata;
  const said = annotations?.[publicAddressAnnotation];
  if (said !== undefined) {
    const message = `machine ${name}: annotation ${publicAddressAnnotation} is not an IPv4 address`;
    return isIPv4(said) ? said : { reason: 'NotAnAddress', message };
  }
  const has = (kind: string) =>
    machine.status?.addresses?.find(({ type, address }) => type === kind && isIPv4(address))?.address;
  const found = has('ExternalIP') ?? (accepted === 'Private' ? has('InternalIP') : undefined);
  const message = `machine ${name} has no ${accepted === 'Private' ? '' : 'public '}IPv4 address: annotate it with ${publicAddressAnnotation}`;
  return found ?? { reason: 'NoAddress', message };
}
