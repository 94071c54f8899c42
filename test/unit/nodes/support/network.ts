import { Client } from '../../../../nodes/client/client.ts';
import {
  type Consensus,
  type ConsensusChannel,
  type ConsensusNode,
  type NodeRole,
  nodeTag,
  type View,
  type ZoneParams,
} from '../../../../nodes/config/consensus.ts';
import { printContact } from '../../../../nodes/config/contact.ts';
import { DropCounters } from '../../../../nodes/core/drop.ts';
import { MILLISECOND_US, parseEndpoint, SECOND_US } from '../../../../nodes/core/units.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import { Mix } from '../../../../nodes/mix/mix.ts';
import { Rendezvous } from '../../../../nodes/rendezvous/rendezvous.ts';
import { Superpeer } from '../../../../nodes/superpeer/superpeer.ts';
import { type Host, type PathQuality, World } from '../../../sim/world.ts';

/**
 * Zones of any shape in the simulator's world, whose nodes can be restarted: what makeZones of test/sim does for zones
 * of one node of each role. Channel n of a zone is carried by its superpeer n, all of them to the one mix.
 */
export interface ZonePlan {
  readonly name: string;
  readonly superpeers?: number;
  readonly rendezvous?: number;
}

export interface NetworkNode {
  readonly host: Host;
  readonly identity: Identity;
  readonly drops: DropCounters;
  readonly zone: string;
  described: ConsensusNode;
  machine: Mix | Rendezvous | Superpeer;
}

export interface NetworkClient {
  readonly host: Host;
  readonly zone: string;
  readonly channels: readonly number[] | undefined;
  readonly identity: Identity;
  readonly contact: string;
  readonly drops: DropCounters;
  readonly machine: Client;
}

const QUIET: PathQuality = { delayUs: 5 * MILLISECOND_US, jitterUs: MILLISECOND_US, loss: 0 };
const PARAMS: ZoneParams = { profile: 'A', clientsPerChannel: 20, meshCellsPerTick: 4 };
const MACHINES = { mix: Mix, rendezvous: Rendezvous, superpeer: Superpeer };
const LAST_OCTET = { mix: 10, rendezvous: 20, superpeer: 30 };

export class Network {
  readonly world: World;
  readonly nodes = new Map<string, NetworkNode>();
  readonly clients: NetworkClient[] = [];
  readonly #plans: readonly ZonePlan[];
  /** Which superpeer, by number, carries which channel: changed by `moveChannels`. */
  #carrier = (channel: number) => channel;

  constructor(seed: string, plans: readonly ZonePlan[], path: PathQuality = QUIET) {
    this.world = new World(seed, () => path);
    this.#plans = plans;
    for (const [index, { name, superpeers = 1, rendezvous = 1 }] of plans.entries()) {
      this.#describe(index, name, 'mix', 1);
      this.#describe(index, name, 'rendezvous', rendezvous);
      this.#describe(index, name, 'superpeer', superpeers);
    }
    for (const node of this.nodes.values()) this.#start(node);
  }

  mix(zone: string): Mix {
    return this.nodes.get(`${zone}-mix-1`)!.machine as Mix;
  }

  /** A client; with `channels`, one whose consensus names no others, so that it is known where it attaches. */
  addClient(zone: string, channels?: readonly number[]): NetworkClient {
    const number = this.clients.length + 1;
    const zoneOctet = this.#plans.findIndex(({ name }) => name === zone) + 1;
    const host = this.world.add(`client-${number}`, parseEndpoint(`10.${zoneOctet}.1.${number}:7000`)!);
    const identity = this.#identity();
    const drops = new DropCounters();
    const view = this.#view(zone, channels);
    const { now, random } = this.world;
    const machine = new Client({ identity, drops, entropy: random.fill, view, now });
    host.machine = machine;
    const client = { host, zone, channels, identity, contact: printContact(zone, identity.publicKey), drops, machine };
    this.clients.push(client);
    return client;
  }

  /** The process ends and another one with the same identity begins; the consensus tells everybody so. */
  restart(id: string): void {
    const node = this.nodes.get(id)!;
    node.described = { ...node.described, boot: node.described.boot + 1 };
    this.#start(node);
    this.publish();
  }

  /** Channel n is carried by superpeer `carrier(n)` from now on. */
  moveChannels(carrier: (channel: number) => number): void {
    this.#carrier = carrier;
    this.publish();
  }

  publish(): void {
    for (const { machine, zone } of this.nodes.values()) machine.update(this.world.now, this.#view(zone));
    for (const { machine, zone, channels } of this.clients) machine.update(this.#view(zone, channels));
  }

  run(seconds: number, done?: () => boolean): boolean {
    return this.world.run(this.world.now + seconds * SECOND_US, done);
  }

  /** Runs until all of these clients are attached, for at most so many seconds. */
  attach(clients: readonly NetworkClient[] = this.clients, seconds = 20): boolean {
    return this.run(seconds, () => clients.every(({ machine }) => machine.attached));
  }

  /** Cells that queues of any node have given up, because they were full or only stood. */
  givenUp(): number {
    const counts = [...this.nodes.values()].map(({ drops }) => drops.get('queue_full') + drops.get('queue_standing'));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  #identity(): Identity {
    const seed = Buffer.alloc(32);
    this.world.random.fill(seed);
    return new Identity(seed);
  }

  #describe(zoneIndex: number, zone: string, role: NodeRole, count: number): void {
    for (let number = 1; number <= count; number += 1) {
      const id = `${zone}-${role}-${number}`;
      const endpoint = parseEndpoint(`10.${zoneIndex + 1}.0.${LAST_OCTET[role] + number}:7000`)!;
      const identity = this.#identity();
      const linkKey = identity.link.publicKey;
      const described = { id, role, endpoint, linkKey, boot: 1, tag: nodeTag(linkKey) };
      const host = this.world.add(id, endpoint);
      const machine = undefined as unknown as Mix;
      this.nodes.set(id, { host, identity, drops: new DropCounters(), zone, described, machine });
    }
  }

  #start(node: NetworkNode): void {
    const { identity, drops, zone, host } = node;
    const { now, random } = this.world;
    const options = { identity, drops, entropy: random.fill, view: this.#view(zone), now };
    node.machine = new MACHINES[node.described.role](options);
    host.machine = node.machine;
  }

  #consensus({ name, superpeers = 1 }: ZonePlan): Consensus {
    const nodes = [...this.nodes.values()].filter(({ zone }) => zone === name).map(({ described }) => described);
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const mix = byId.get(`${name}-mix-1`)!;
    const channels = Array.from({ length: superpeers }, (_, index): ConsensusChannel => {
      const superpeer = byId.get(`${name}-superpeer-${this.#carrier(index + 1)}`)!;
      return { id: index + 1, superpeer, mix };
    });
    return { zone: name, epoch: 1, validUntilMs: Number.MAX_SAFE_INTEGER, params: PARAMS, nodes, channels };
  }

  #view(zone: string, channels?: readonly number[]): View {
    const all = this.#plans.map((plan) => this.#consensus(plan));
    const own = all.find((consensus) => consensus.zone === zone)!;
    const seen = channels ? { ...own, channels: own.channels.filter(({ id }) => channels.includes(id)) } : own;
    return { own: seen, peers: all.filter((consensus) => consensus !== own) };
  }
}
