/** kubectl herd topology: where a zone's nodes are, and which zones link. */
import type { Zone } from '../operator/api/zone.ts';
import { directoryName } from '../operator/objects/labels.ts';
import { hostOf } from '../operator/plan/relations.ts';
import type { Command } from './arguments.ts';
import { type ExitCode, exitCodes } from './failures.ts';
import { type Herd, readHerd, slotsOf, superpeersOf, zonesOf } from './herd.ts';
import type { Session } from './session.ts';
import { formatted, onOneLine } from './text.ts';

export interface NodePlace {
  readonly name: string;
  readonly state: string;
  readonly machine: string;
}

export interface Link {
  readonly zone: string;
  /** both: each names the other. outside: of another provider, known by its directory's URL. */
  readonly kind: 'both' | 'one-way' | 'outside' | 'unknown';
}

export interface ZoneTopology {
  readonly namespace: string;
  readonly name: string;
  readonly provider: string;
  readonly jurisdiction: string;
  /** The node that serves it, which may be another zone's. */
  readonly directory: string;
  readonly regions: readonly {
    readonly name: string;
    /** By which Secret of the namespace it is found, if it is in another cluster, whose slots are not seen here. */
    readonly cluster: string | undefined;
    readonly roles: readonly { readonly role: string; readonly nodes: readonly NodePlace[] }[];
  }[];
  /** Superpeers that others run, wherever they are. */
  readonly external: readonly string[];
  readonly links: readonly Link[];
}

export async function topology(session: Session, command: Command): Promise<ExitCode> {
  const herd = await readHerd(session.client, session.namespace);
  const zones = zonesOf(herd, command.name, session.namespace).map((zone) => topologyOf(herd, zone));
  session.terminal.out(formatted(command.output, { zones }, () => zones.map(drawTopology).join('\n')));
  return exitCodes.ok;
}

const roles = ['mix', 'rendezvous', 'superpeer'] as const;

export function topologyOf(herd: Herd, zone: Zone): ZoneTopology {
  const slots = slotsOf(herd, zone);
  const names = [...new Set([...zone.spec.regions.map(({ name }) => name), ...slots.map(({ spec }) => spec.region)])];
  const { provider, jurisdiction, peers } = zone.spec;
  return {
    namespace: zone.metadata.namespace,
    name: zone.metadata.name,
    provider,
    jurisdiction,
    directory: directoryName(hostOf(zone)),
    regions: names.map((name) => ({
      name,
      cluster: zone.spec.regions.find((region) => region.name === name)?.cluster?.kubeconfigSecretRef.name,
      roles: roles.flatMap((role) => {
        const here = slots.filter(({ spec }) => spec.region === name && spec.role === role);
        const nodes = here.map(({ metadata, status }) => ({
          name: metadata.name,
          state: status?.state ?? 'Pending',
          machine: status?.machine ?? '',
        }));
        return nodes.length > 0 ? [{ role, nodes }] : [];
      }),
    })),
    external: superpeersOf(herd, zone)
      .filter(({ spec }) => spec.external)
      .map(({ metadata }) => metadata.name),
    links: peers.map((peer) => ({ zone: peer.zone, kind: kindOfLink(herd, zone, peer) })),
  };
}

function kindOfLink(herd: Herd, zone: Zone, peer: Zone['spec']['peers'][number]): Link['kind'] {
  if (peer.url !== undefined) return 'outside';
  const there = herd.zones.find(
    ({ metadata }) => metadata.namespace === zone.metadata.namespace && metadata.name === peer.zone,
  );
  if (!there) return 'unknown';
  return there.spec.peers.some((back) => back.zone === zone.metadata.name) ? 'both' : 'one-way';
}

interface Branch {
  readonly text: string;
  readonly branches: readonly Branch[];
}

const says: Record<Link['kind'], string> = {
  both: 'both ways',
  'one-way': 'one way: it does not name this zone',
  outside: 'of another provider',
  unknown: 'no such zone',
};

export function drawTopology(zone: ZoneTopology): string {
  const regions = zone.regions.map(({ name, cluster, roles }): Branch => {
    const branches = roles.map(({ role, nodes }) => ({
      text: role,
      branches: nodes.map(({ name, state, machine }) => ({
        text: [name, state, machine].filter(Boolean).join('  '),
        branches: [],
      })),
    }));
    return { text: `region ${name}${cluster ? ` in the cluster of Secret ${cluster}` : ''}`, branches };
  });
  const list = (text: string, items: readonly string[]): Branch[] =>
    items.length === 0 ? [] : [{ text, branches: items.map((item) => ({ text: item, branches: [] })) }];
  const branches = [
    { text: `directory ${zone.directory}`, branches: [] },
    ...regions,
    ...list('superpeers of others', zone.external),
    ...list(
      'links',
      zone.links.map(({ zone: name, kind }) => `${name}  ${says[kind]}`),
    ),
  ];
  const title = `zone ${zone.name} in ${zone.namespace} (${zone.provider}, ${zone.jurisdiction})`;
  return `${title}\n${draw(branches, '')}`;
}

const draw = (branches: readonly Branch[], before: string): string =>
  branches
    .map(({ text, branches: below }, i) => {
      const [fork, trunk] = i === branches.length - 1 ? ['└─ ', '   '] : ['├─ ', '│  '];
      return `${before}${fork}${onOneLine(text)}\n${draw(below, before + trunk)}`;
    })
    .join('');
