import assert from 'node:assert/strict';
import { Client } from '../../nodes/client/client.ts';
import {
  type Consensus,
  type ConsensusChannel,
  type ConsensusNode,
  type MeshRate,
  nodeTag,
  type ScheduledKey,
  type View,
  type ZoneParams,
} from '../../nodes/config/consensus.ts';
import { printContact } from '../../nodes/config/contact.ts';
import { type Dealt, dealChannels } from '../../nodes/config/dealing.ts';
import { DropCounters, type DropReason } from '../../nodes/core/drop.ts';
import { type Endpoint, MILLISECOND_US, type Micros, parseEndpoint, SECOND_US } from '../../nodes/core/units.ts';
import { derivedSeeds, Identity, KEY_KINDS, type NodeKeys, nodeKeys } from '../../nodes/crypto/keys.ts';
import { Mix } from '../../nodes/mix/mix.ts';
import { Rendezvous } from '../../nodes/rendezvous/rendezvous.ts';
import { Superpeer } from '../../nodes/superpeer/superpeer.ts';
import type { Host } from './host.ts';
import { NEAR, type Path } from './path.ts';
import type { SeededRandom } from './random.ts';
import { World } from './world.ts';

/** Zones of any shape with their clients, as machines in a world, and directories that tell them of each other. */
export interface ZonePlan {
  /** A DNS label. */
  readonly name: string;
  /** How many of each; one if not given. At most 250. */
  readonly mixes?: number;
  readonly rendezvous?: number;
  readonly superpeers?: number;
  readonly channelsPerSuperpeer?: number;
  /** What differs from DEFAULT_PARAMS. */
  readonly params?: Partial<ZoneParams>;
}

export const DEFAULT_PARAMS: ZoneParams = {
  profile: 'A',
  clientsPerChannel: 20,
  meshCellsPerTick: 4,
  attachmentsPerClient: 1,
  assignment: 'augment',
  directClients: 0,
};

interface Member {
  /** `eu-mix-1`, `client-1`: nodes are numbered in their zone, clients in the network. */
  readonly id: string;
  readonly zone: string;
  readonly host: Host;
  readonly identity: Identity;
  readonly random: SeededRandom;
  /** Of all processes that this member has been. */
  readonly drops: DropCounters;
  /** The publication that it has heard of last. */
  heardOf: number;
}

type Role = Mix | Rendezvous | Superpeer;

export interface SimNode<M extends Role = Role> extends Member {
  /** What its files hold. */
  keys: NodeKeys;
  described: ConsensusNode;
  machine: M;
}

export interface SimClient extends Member {
  readonly contact: string;
  /** The only channels that it knows of; undefined for all of its zone's. */
  readonly channels: readonly number[] | undefined;
  machine: Client;
}

const MACHINES = { mix: Mix, rendezvous: Rendezvous, superpeer: Superpeer };
/** 10.zone.ROLE.number; clients have the ones from there on. */
const THIRD_OCTET = { mix: 1, rendezvous: 2, superpeer: 3 } as const;
const THIRD_OCTET_CLIENTS = 16;
const PORT = 7000;
/** A process that stands still asks its directory when it goes on. */
const ASK_AGAIN_US = SECOND_US / 10;

export class Network {
  readonly world: World;
  readonly plans: readonly ZonePlan[];
  /** By id. */
  readonly nodes = new Map<string, SimNode>();
  readonly clients: SimClient[] = [];
  /** Zones whose directory is down: they publish nothing and their members hear of nothing. Publish after a change. */
  readonly directoriesDown = new Set<string>();
  /** By zone: what its consensus says of its links' rates; none if not given. Publish after a change. */
  readonly meshRates = new Map<string, readonly MeshRate[]>();
  /** Each member hears of a new consensus at a random instant within this: 0 for at once, 3 s is as the daemons ask. */
  learnWithinUs: Micros = 0;
  /** Nodes that are not in the consensus. */
  readonly #retired = new Set<string>();
  /** By zone: what its directory says. */
  readonly #published = new Map<string, Consensus>();
  #publication = 0;
  #superpeerOf: (channel: number, zone: string) => number;
  /** By zone. */
  readonly #dealt = new Map<string, readonly Dealt[]>();

  constructor(seed: string, plans: readonly ZonePlan[], path: Path = () => NEAR) {
    this.world = new World(seed, path);
    this.plans = plans;
    const planOf = (zone: string) => plans.find(({ name }) => name === zone)!;
    this.#superpeerOf = (channel, zone) => Math.ceil(channel / (planOf(zone).channelsPerSuperpeer ?? 1));
    for (const { name, mixes = 1, rendezvous = 1, superpeers = 1 } of plans) {
      for (let number = 1; number <= mixes; number += 1) this.#addNode(name, 'mix', number);
      for (let number = 1; number <= rendezvous; number += 1) this.#addNode(name, 'rendezvous', number);
      for (let number = 1; number <= superpeers; number += 1) this.#addNode(name, 'superpeer', number);
    }
    for (const { name, mixes = 1 } of plans) this.#deal(name, numbersTo(mixes));
    this.#sign();
    for (const node of this.nodes.values()) node.host.machine = this.#newNode(node);
  }

  // Who is there

  mix(zone: string, number = 1): SimNode<Mix> {
    return this.#node(zone, 'mix', number) as SimNode<Mix>;
  }

  rendezvous(zone: string, number = 1): SimNode<Rendezvous> {
    return this.#node(zone, 'rendezvous', number) as SimNode<Rendezvous>;
  }

  superpeer(zone: string, number = 1): SimNode<Superpeer> {
    return this.#node(zone, 'superpeer', number) as SimNode<Superpeer>;
  }

  /** Hosts of a zone's nodes, without its clients: for partitions. */
  hostsOf(zone: string): Host[] {
    return [...this.nodes.values()].filter((node) => node.zone === zone).map(({ host }) => host);
  }

  /** What the members of the zone hold of the world, when they have heard of it. */
  viewOf(zone: string, channels?: readonly number[]): View {
    const own = this.#published.get(zone)!;
    const seen = channels ? { ...own, channels: own.channels.filter(({ id }) => channels.includes(id)) } : own;
    return { own: seen, peers: [...this.#published.values()].filter((consensus) => consensus !== own) };
  }

  /** A client; with `channels`, one whose consensus names no others, so that it is known where it attaches. */
  addClient(zone: string, channels?: readonly number[]): SimClient {
    const number = this.clients.length + 1;
    const id = `client-${number}`;
    const third = THIRD_OCTET_CLIENTS + Math.floor(number / 250);
    const host = this.world.add(id, this.#endpoint(zone, third, (number % 250) + 1), 'client');
    const { identity, random } = this.#person(id);
    const contact = printContact(zone, identity.publicKey);
    const drops = new DropCounters();
    const member = { id, zone, host, identity, random, drops, heardOf: this.#publication, contact, channels };
    const client: SimClient = Object.assign(member, { machine: this.#newClient(member) });
    host.machine = client.machine;
    this.clients.push(client);
    return client;
  }

  addClients(zone: string, count: number, channels?: readonly number[]): SimClient[] {
    return Array.from({ length: count }, () => this.addClient(zone, channels));
  }

  // What happens to them

  /** The machine is gone; the consensus goes on naming it until `retire`. */
  kill(id: string): void {
    this.world.kill(this.#member(id).host);
  }

  /**
   * The process ends and after `downUs` another one with the same identity begins, of which the consensus tells.
   * With 0 that has happened when this returns. Also for what was killed or retired, and for clients, whom none tells of.
   */
  restart(id: string, downUs: Micros = 0): void {
    const member = this.#member(id);
    this.world.kill(member.host);
    if (downUs === 0) this.#begin(member);
    else this.world.after(downUs, () => this.#begin(member));
  }

  /** The node is in the consensus no more, nor its channels. */
  retire(id: string): void {
    this.#retired.add(this.#member(id).id);
    this.publish();
  }

  /** The consensus says this of the node from now on. */
  announce(id: string, change: Partial<ConsensusNode>): void {
    const member = this.#member(id);
    assert('described' in member, `the consensus does not tell of ${id}`);
    member.described = { ...member.described, ...change };
    this.publish();
  }

  /** Every node has another key of each kind besides what it has, which the consensus puts in force at that instant. */
  addKeys(from: Micros): void {
    for (const node of this.nodes.values()) {
      const seed = Buffer.alloc(32);
      node.random.fill(seed);
      const fresh = nodeKeys(derivedSeeds(seed));
      const { link, circuit } = node.keys;
      const number = link.at(-1)!.number + 1;
      const { linkKeys, circuitKeys } = published(fresh, from);
      this.#setKeys(
        node,
        {
          link: [...link, { number, pair: fresh.link[0]!.pair }],
          circuit: [...circuit, { number, pair: fresh.circuit[0]!.pair }],
        },
        {
          linkKeys: [...node.described.linkKeys, ...linkKeys],
          circuitKeys: [...node.described.circuitKeys, ...circuitKeys],
        },
      );
    }
    this.publish();
  }

  /** Every node has no key any more but its newest. */
  dropOldKeys(): void {
    for (const node of this.nodes.values()) {
      const { linkKeys, circuitKeys } = node.described;
      const keys = { link: node.keys.link.slice(-1), circuit: node.keys.circuit.slice(-1) };
      this.#setKeys(node, keys, { linkKeys: linkKeys.slice(-1), circuitKeys: circuitKeys.slice(-1) });
    }
    this.publish();
  }

  /** Channel n of a zone is carried by superpeer `superpeerOf(n)` from now on; both count from 1. */
  moveChannels(superpeerOf: (channel: number, zone: string) => number): void {
    this.#superpeerOf = superpeerOf;
    this.publish();
  }

  /** The zone's channels are dealt to these of its mixes from now on, as directories do; returns how many have changed their mix. */
  deal(zone: string, mixes: readonly number[]): number {
    const mixOf = new Map(this.#dealt.get(zone)!.map(({ id, mix }) => [id, mix]));
    const dealt = this.#deal(zone, mixes);
    this.publish();
    return dealt.filter(({ id, mix }) => mixOf.get(id) !== mix).length;
  }

  #deal(zone: string, mixes: readonly number[]): readonly Dealt[] {
    const { superpeers = 1, channelsPerSuperpeer = 1 } = this.plans.find(({ name }) => name === zone)!;
    const carried = numbersTo(superpeers * channelsPerSuperpeer).map((id) => {
      return { id, superpeer: nodeId(zone, 'superpeer', this.#superpeerOf(id, zone)) };
    });
    const takers = mixes.map((number) => this.#node(zone, 'mix', number).described);
    const dealt = dealChannels(this.#dealt.get(zone) ?? [], carried, takers, true);
    this.#dealt.set(zone, dealt);
    return dealt;
  }

  /** The directories publish what there is now; every member hears of it within `learnWithinUs`. */
  publish(): void {
    this.#publication += 1;
    this.#sign();
    const publication = this.#publication;
    const views = new Map(this.plans.map(({ name }) => [name, this.viewOf(name)]));
    for (const member of [...this.nodes.values(), ...this.clients]) {
      if (this.directoriesDown.has(member.zone)) continue;
      const channels = 'channels' in member ? member.channels : undefined;
      const view = channels ? this.viewOf(member.zone, channels) : views.get(member.zone)!;
      if (this.learnWithinUs === 0) this.#hear(member, publication, view);
      else this.world.after(this.world.random.below(this.learnWithinUs), () => this.#hear(member, publication, view));
    }
  }

  // Time

  run(seconds: number, done?: () => boolean): boolean {
    return this.world.run(this.world.now + Math.round(seconds * SECOND_US), done);
  }

  /** Runs until all of these clients are attached, for at most so many seconds. */
  attach(clients: readonly SimClient[] = this.clients, seconds = 20): boolean {
    return this.run(seconds, () => clients.every(({ machine }) => machine.attached));
  }

  // What they count

  /** Drops at all nodes, clients left out: for these reasons, or for any if none is given. */
  dropped(...reasons: readonly DropReason[]): number {
    const count = (drops: DropCounters) =>
      reasons.length === 0 ? drops.total() : reasons.reduce((sum, reason) => sum + drops.get(reason), 0);
    return [...this.nodes.values()].reduce((sum, { drops }) => sum + count(drops), 0);
  }

  #node(zone: string, role: ConsensusNode['role'], number: number): SimNode {
    const node = this.nodes.get(nodeId(zone, role, number));
    assert(node, `there is no ${nodeId(zone, role, number)}`);
    return node;
  }

  #member(id: string): SimNode | SimClient {
    const member = this.nodes.get(id) ?? this.clients.find((client) => client.id === id);
    assert(member, `there is no ${id}`);
    return member;
  }

  #endpoint(zone: string, third: number, fourth: number): Endpoint {
    const second = this.plans.findIndex(({ name }) => name === zone) + 1;
    assert(second > 0, `there is no zone ${zone}`);
    const endpoint = parseEndpoint(`10.${second}.${third}.${fourth}:${PORT}`);
    assert(endpoint, `no address is left for another member of ${zone}`);
    return endpoint;
  }

  /** Who somebody is, and where its chances come from. */
  #person(id: string): { seed: Buffer; identity: Identity; random: SeededRandom } {
    const random = this.world.randomFor(id);
    const seed = Buffer.alloc(32);
    random.fill(seed);
    return { seed, identity: new Identity(seed), random };
  }

  #addNode(zone: string, role: ConsensusNode['role'], number: number): void {
    const id = nodeId(zone, role, number);
    const endpoint = this.#endpoint(zone, THIRD_OCTET[role], number);
    const { seed, identity, random } = this.#person(id);
    const keys = nodeKeys(derivedSeeds(seed));
    const tag = nodeTag(zone, identity.publicKey);
    const described = { id, role, endpoint, ...published(keys, 0), boot: 1, draining: false, tag };
    const host = this.world.add(id, endpoint, role);
    // Made when all nodes are known.
    const machine = undefined as unknown as Role;
    const drops = new DropCounters();
    this.nodes.set(id, { id, zone, host, identity, random, drops, heardOf: 0, keys, described, machine });
  }

  #setKeys(node: SimNode, keys: NodeKeys, change: Pick<ConsensusNode, 'linkKeys' | 'circuitKeys'>): void {
    node.keys = keys;
    node.machine.rekey(keys);
    node.described = { ...node.described, ...change };
  }

  #newNode(node: SimNode): Role {
    const { identity, keys, drops, zone, host, random } = node;
    const view = this.viewOf(zone);
    const machine = MACHINES[node.described.role];
    node.machine = new machine({ identity, keys, drops, entropy: random.fill, view, now: host.now });
    return node.machine;
  }

  #newClient({ identity, drops, zone, channels, host, random }: Omit<SimClient, 'machine'>): Client {
    const view = this.viewOf(zone, channels);
    return new Client({ identity, drops, entropy: random.fill, view, now: host.now });
  }

  #begin(member: SimNode | SimClient): void {
    if ('described' in member) {
      member.described = { ...member.described, boot: member.described.boot + 1 };
      this.#retired.delete(member.id);
      this.publish();
      this.world.start(member.host, this.#newNode(member));
    } else {
      member.machine = this.#newClient(member);
      this.world.start(member.host, member.machine);
    }
    member.heardOf = this.#publication;
  }

  #hear(member: SimNode | SimClient, publication: number, view: View): void {
    const { host, machine } = member;
    if (host.machine !== machine || member.heardOf >= publication) return;
    if (host.state !== 'running') return this.world.after(ASK_AGAIN_US, () => this.#hear(member, publication, view));
    member.heardOf = publication;
    update(machine, host.now, view);
  }

  /** What the directories that are up say from now on. */
  #sign(): void {
    for (const plan of this.plans)
      if (!this.directoriesDown.has(plan.name)) this.#published.set(plan.name, this.#consensus(plan));
  }

  #consensus({ name: zone, params }: ZonePlan): Consensus {
    const listed = [...this.nodes.values()].filter((node) => node.zone === zone && !this.#retired.has(node.id));
    const nodes = listed.map(({ described }) => described);
    const byId = new Map(nodes.map((node) => [node.id, node]));
    const channels = this.#dealt.get(zone)!.flatMap((dealt): ConsensusChannel[] => {
      const { id } = dealt;
      const superpeer = byId.get(nodeId(zone, 'superpeer', this.#superpeerOf(id, zone)));
      const mix = byId.get(dealt.mix);
      const standby = byId.get(dealt.standby ?? '');
      return superpeer && mix ? [{ id, superpeer, mix, standby }] : [];
    });
    return {
      zone,
      epoch: this.#publication,
      validUntilMs: Number.MAX_SAFE_INTEGER,
      params: { ...DEFAULT_PARAMS, ...params },
      nodes,
      channels,
      meshRates: this.meshRates.get(zone) ?? [],
    };
  }
}

/** As the consensus tells of a node's keys, if they are in force from that instant on. */
function published(keys: NodeKeys, from: Micros): { linkKeys: ScheduledKey[]; circuitKeys: ScheduledKey[] } {
  const [linkKeys, circuitKeys] = KEY_KINDS.map((kind) =>
    keys[kind].map(({ pair }): ScheduledKey => ({ key: pair.publicKey, from: Math.ceil(from / MILLISECOND_US) })),
  );
  return { linkKeys: linkKeys!, circuitKeys: circuitKeys! };
}

const numbersTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

function nodeId(zone: string, role: ConsensusNode['role'], number: number): string {
  return `${zone}-${role}-${number}`;
}

/** The one place where a running machine is told of a consensus. */
function update(machine: Role | Client, now: Micros, view: View): void {
  machine.update(now, view);
}
