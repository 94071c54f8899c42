/** node.json: the contract between the operator and the daemons. Plain data, and the ConfigMap that carries it. */
import { createHash } from 'node:crypto';
import type { Manifest } from '../kube/types.ts';
import { childMetadata, nodeLabels, type Owner, type Role, roleLabels } from './labels.ts';

/** In a pod network, where every pod has all ports. */
export const ports = { cells: 7000, directory: 8080, metrics: 9100 } as const;

export interface NodePorts {
  readonly cells: number;
  readonly metrics: number;
}

export interface DirectoryAddress {
  readonly url: string;
  readonly rootKey: string;
}

export interface NodeConfig {
  readonly role: Exclude<Role, 'directory'>;
  readonly id: string;
  readonly zone: string;
  readonly directory: DirectoryAddress;
  readonly listen: { readonly port: number };
  readonly metrics: { readonly port: number };
}

export interface RosterEntry {
  readonly id: string;
  readonly role: Exclude<Role, 'directory'>;
  readonly identityKey: string;
  readonly channels?: number;
  readonly firstChannel?: number;
  readonly dealt?: readonly { readonly mix: string; readonly standby?: string | undefined }[];
  readonly draining?: true;
}

export interface ServedZone {
  readonly zone: string;
  readonly provider: string;
  readonly jurisdiction: string;
  readonly params: {
    readonly profile: 'A' | 'B';
    readonly clientsPerChannel: number;
    readonly meshCellsPerTick: number;
    readonly meshCellsPerTickMax?: number;
    readonly attachmentsPerClient: number;
    readonly assignment: 'augment' | 'ranking' | 'random' | 'paper';
    readonly directClients: number;
    readonly receiptSeconds: number;
  };
  readonly roster: readonly RosterEntry[];
  readonly peers: readonly { readonly zone: string; readonly url: string; readonly rootKey: string }[];
}

export interface DirectoryConfig {
  readonly role: 'directory';
  readonly id: string;
  readonly listen: { readonly port: number };
  readonly metrics: { readonly port: number };
  readonly epochSeconds: number;
  readonly zones: readonly ServedZone[];
}

export function nodeConfig(
  role: NodeConfig['role'],
  id: string,
  zone: string,
  directory: DirectoryAddress,
  { cells, metrics }: NodePorts,
): NodeConfig {
  return { role, id, zone, directory, listen: { port: cells }, metrics: { port: metrics } };
}

export function configMap(owner: Owner, zone: string, config: NodeConfig | DirectoryConfig) {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: childMetadata(owner, config.id, { ...roleLabels(zone, config.role), ...nodeLabels(config.id) }),
    data: { 'node.json': JSON.stringify(config, null, 1) + '\n' },
  } satisfies Manifest & { data: object };
}

/** Of what a daemon reads once, at start: a pod template that bears this hash changes with it. */
export function configHash(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
