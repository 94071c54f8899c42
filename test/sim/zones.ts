import { Client } from '../../nodes/client/client.ts';
import type { Consensus, ConsensusNode, NodeRole, View, ZoneParams } from '../../nodes/config/consensus.ts';
import { nodeTag } from '../../nodes/config/consensus.ts';
import { printContact } from '../../nodes/config/contact.ts';
import { DropCounters } from '../../nodes/core/drop.ts';
import { type Endpoint, parseEndpoint } from '../../nodes/core/units.ts';
import { Identity } from '../../nodes/crypto/keys.ts';
import { Mix } from '../../nodes/mix/mix.ts';
import { Rendezvous } from '../../nodes/rendezvous/rendezvous.ts';
import { Superpeer } from '../../nodes/superpeer/superpeer.ts';
import type { Host, World } from './world.ts';

/** Zones of one mix, one rendezvous and one superpeer each, and clients, as machines in a world. */
export interface SimNode<M> {
  readonly host: Host;
  readonly identity: Identity;
  readonly drops: DropCounters;
  readonly node: ConsensusNode;
  machine: M;
}

export interface SimClient {
  readonly host: Host;
  readonly contact: string;
  readonly drops: DropCounters;
  readonly machine: Client;
}

export interface SimZone {
  readonly name: string;
  readonly mix: SimNode<Mix>;
  readonly rendezvous: SimNode<Rendezvous>;
  readonly superpeer: SimNode<Superpeer>;
  readonly view: View;
}

const DEFAULT_PARAMS: ZoneParams = { profile: 'A', clientsPerChannel: 20, meshCellsPerTick: 2 };

export function makeZones(world: World, names: readonly string[], params: ZoneParams = DEFAULT_PARAMS): SimZone[] {
  const prepared = names.map((name, index) => {
    const node = (role: NodeRole, last: number) => {
      const endpoint = parseEndpoint(`10.${index + 1}.0.${last}:7000`)!;
      const seed = Buffer.alloc(32);
      world.random.fill(seed);
      const identity = new Identity(seed);
      const linkKey = identity.link.publicKey;
      const described: ConsensusNode = {
        id: `${name}-${role}`,
        role,
        endpoint,
        linkKey,
        boot: 1,
        tag: nodeTag(linkKey),
      };
      return { host: world.add(described.id, endpoint), identity, drops: new DropCounters(), node: described };
    };
    const mix = node('mix', 1);
    const rendezvous = node('rendezvous', 2);
    const superpeer = node('superpeer', 3);
    const consensus: Consensus = {
      zone: name,
      epoch: 1,
      validUntilMs: Number.MAX_SAFE_INTEGER,
      params,
      nodes: [mix.node, rendezvous.node, superpeer.node],
      channels: [{ id: 1, superpeer: superpeer.node, mix: mix.node }],
    };
    return { name, mix, rendezvous, superpeer, consensus };
  });
  return prepared.map(({ name, mix, rendezvous, superpeer, consensus }) => {
    const peers = prepared.filter((other) => other.name !== name).map((other) => other.consensus);
    const view: View = { own: consensus, peers };
    const start = <M extends NonNullable<Host['machine']>>(
      part: Omit<SimNode<M>, 'machine'>,
      make: new (options: ConstructorParameters<typeof Mix>[0]) => M,
    ): SimNode<M> => {
      const { identity, drops } = part;
      const machine = new make({ identity, drops, entropy: world.random.fill, view, now: world.now });
      part.host.machine = machine;
      return { ...part, machine };
    };
    return {
      name,
      mix: start<Mix>(mix, Mix),
      rendezvous: start<Rendezvous>(rendezvous, Rendezvous),
      superpeer: start<Superpeer>(superpeer, Superpeer),
      view,
    };
  });
}

export function addClient(world: World, zone: SimZone, index: number): SimClient {
  const zoneOctet = Math.floor(zone.mix.host.endpoint / 65536 / 65536) & 255;
  const endpoint = parseEndpoint(`10.${zoneOctet}.1.${index}:7000`)! as Endpoint;
  const seed = Buffer.alloc(32);
  world.random.fill(seed);
  const identity = new Identity(seed);
  const drops = new DropCounters();
  const machine = new Client({ identity, drops, entropy: world.random.fill, view: zone.view, now: world.now });
  const host = world.add(`client-${zone.name}-${index}`, endpoint);
  host.machine = machine;
  return { host, contact: printContact(zone.name, identity.publicKey), drops, machine };
}
