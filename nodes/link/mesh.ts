import type { ConsensusNode, MeshRate, View } from '../config/consensus.ts';
import type { ZoneDemand } from '../config/descriptor.ts';
import type { DropCounters } from '../core/drop.ts';
import type { Entropy, Rate } from '../core/machine.ts';
import { CellQueue } from '../core/queue.ts';
import type { PacketRing } from '../core/ring.ts';
import { MILLISECOND_US, type Micros } from '../core/units.ts';
import {
  LINK_OVERHEAD_BYTES,
  MESH_COMMAND,
  MESH_HEADER_BYTES,
  MESSAGE_KIND,
  QUEUE_TICKS_MAX,
  TICKS_PER_SECOND,
} from '../wire/constants.ts';
import { Demand, published } from './demand.ts';
import type { Link, Links } from './links.ts';

/**
 * The mesh among mixes and rendezvous of all zones (WIRE.md 4).
 *
 * Property: on a link that is up, every tick sends exactly R cells of one size, whatever is queued. R is the same on all
 * links to a zone and changes only with the own clock, at the instants that the consensus names beforehand: whoever
 * needs more is refused (mix.ts, rendezvous.ts). Cells wait at most QUEUE_TICKS_MAX ticks; then the oldest makes room,
 * whosever it is.
 */
export interface MeshPeer {
  readonly kind: 'mesh';
  readonly tag: string;
}

/** A node and the zone that it is of. */
export interface MeshNode extends ConsensusNode {
  readonly zone: string;
}

interface MeshLink<P> {
  /** As the newest consensus has it. */
  node: MeshNode;
  link: Link<P> | undefined;
  queue: CellQueue;
}

/** What all links to a zone have in common. */
interface MeshZone {
  /** By instant, oldest first. BOUNDED: by the consensus. */
  rates: readonly MeshRate[];
  cellsPerTick: number;
  readonly demand: Demand;
}

/** An id begins with the low bits of its opener's boot: what a process before it has opened is told from its own. */
const BOOT_SHIFT = 22;
const ID_MASK = 2 ** BOOT_SHIFT - 1;
const BOOT_MASK = 2 ** (32 - BOOT_SHIFT) - 1;

/** Whether a circuit or leg can be of the process that runs since the opener's boot has changed from `before` to `after`. */
export function isOfNewProcess(id: number, before: number | undefined, after: number | undefined): boolean {
  const prefix = (boot: number | undefined) => (boot === undefined ? undefined : boot & BOOT_MASK);
  return prefix(after) === id >>> BOOT_SHIFT && prefix(before) !== prefix(after);
}

/** Both ends know who starts a link: the lower tag. */
export function initiates(ownTag: string, peerTag: string): boolean {
  return ownTag < peerTag;
}

/** The mesh nodes of a view but for oneself, by tag. A tag names the zone too: no zone can say where another's nodes are. */
export function meshNodes(view: View, ownTag: string): Map<string, MeshNode> {
  const nodes = new Map<string, MeshNode>();
  for (const { zone, nodes: listed } of [view.own, ...view.peers]) {
    for (const node of listed) {
      if (node.role !== 'superpeer' && node.tag !== ownTag) nodes.set(node.tag, { ...node, zone });
    }
  }
  return nodes;
}

export class Mesh<P> {
  readonly #links: Links<P>;
  readonly #drops: DropCounters;
  readonly #entropy: Entropy;
  readonly #ownTag: string;
  readonly #cellBytes: number;
  /** By node tag. BOUNDED: by the consensus. */
  readonly #peers = new Map<string, MeshLink<P>>();
  /** By node tag; kept for the life of the process. BOUNDED: by the nodes that the consensus has ever listed. */
  readonly #nextCircuits = new Map<string, number>();
  /** By name. BOUNDED: by the view. */
  readonly #zones = new Map<string, MeshZone>();
  /** To a zone of which the consensus says nothing, cells per tick. */
  #floor = 0;
  #epoch: number | undefined;
  #report: readonly ZoneDemand[] | undefined;
  /** Circuits with a cell waiting on the link that is being looked at. BOUNDED: by its queue. */
  readonly #waiting = new Set<number>();

  /** `entropy` is for the noise in what is reported. */
  constructor(links: Links<P>, drops: DropCounters, entropy: Entropy, ownTag: string, cellBytes: number) {
    this.#links = links;
    this.#drops = drops;
    this.#entropy = entropy;
    this.#ownTag = ownTag;
    this.#cellBytes = cellBytes;
  }

  /** Follows the consensus: links to new nodes, none to those that left. `peer` labels a link that we open. */
  update(now: Micros, view: View, peer: (node: ConsensusNode) => P): void {
    this.#endEpoch(view.own.epoch);
    this.#learnRates(now, view);
    const nodes = meshNodes(view, this.#ownTag);
    const boot = view.own.nodes.find(({ tag }) => tag === this.#ownTag)?.boot ?? 0;
    for (const [tag, known] of this.#peers) {
      const node = nodes.get(tag);
      const { endpoint, boot, zone } = known.node;
      if (node && node.endpoint === endpoint && node.boot === boot && node.zone === zone) {
        known.node = node;
        continue;
      }
      // A restarted node is another process with none of our keys: begin anew at once instead of waiting for the silence.
      if (known.link && (known.link.initiator || !node)) this.#links.close(known.link);
      this.#peers.delete(tag);
    }
    for (const [tag, node] of nodes) {
      if (this.#peers.has(tag)) continue;
      const queue = new CellQueue(this.#cellBytes, this.#zones.get(node.zone)!.cellsPerTick * QUEUE_TICKS_MAX);
      const known: MeshLink<P> = { node, link: undefined, queue };
      if (initiates(this.#ownTag, tag))
        known.link = this.#links.connect(now, peer(node), () => known.node.linkKeys, node.endpoint);
      // Ids go on where they were before the peer's restart: none comes twice in our own life.
      const nextCircuit = this.#nextCircuits.get(tag) ?? ((boot << BOOT_SHIFT) >>> 0) + (known.link ? 1 : 2);
      this.#nextCircuits.set(tag, nextCircuit);
      this.#peers.set(tag, known);
    }
  }

  /** A link of ours or one that the peer opened; call for every mesh message, since the peer may have begun anew. */
  attach(tag: string, link: Link<P>): void {
    const peer = this.#peers.get(tag);
    if (peer) peer.link = link;
  }

  /** How many of the peers can be reached now. */
  linksUp(): { up: number; all: number } {
    let up = 0;
    for (const { link } of this.#peers.values()) if (link && this.#links.isUp(link)) up += 1;
    return { up, all: this.#peers.size };
  }

  isUp(tag: string): boolean {
    const link = this.#peers.get(tag)?.link;
    return link !== undefined && this.#links.isUp(link);
  }

  /** Cells that go to `tag` in every tick; 0 if it is no peer. */
  cellsPerTick(tag: string): number {
    const peer = this.#peers.get(tag);
    return peer ? this.#zones.get(peer.node.zone)!.cellsPerTick : 0;
  }

  rate(): Rate {
    let datagrams = 0;
    for (const { node, link } of this.#peers.values())
      if (link && this.#links.isUp(link)) datagrams += this.#zones.get(node.zone)!.cellsPerTick;
    return { datagrams, bytes: datagrams * (this.#cellBytes + LINK_OVERHEAD_BYTES) };
  }

  /** The demand of the epoch before towards each zone, with noise; undefined if it has been taken. */
  takeDemand(): readonly ZoneDemand[] | undefined {
    const report = this.#report;
    this.#report = undefined;
    return report;
  }

  /** A circuit id that we may open on the link to `tag`; undefined if it is no peer. */
  openCircuit(tag: string): number | undefined {
    const circuit = this.#nextCircuits.get(tag);
    if (circuit === undefined || !this.#peers.has(tag)) return undefined;
    // 2^21 of our parity: with ten circuits a second they come round after two days.
    const number = ((circuit & ID_MASK) + 2) & ID_MASK || 2;
    this.#nextCircuits.set(tag, circuit - (circuit & ID_MASK) + number);
    return circuit;
  }

  /** Queues a cell for `tag`; the body (shorter than a cell's) is copied, the rest is zero. */
  queue(tag: string, command: number, circuit: number, body: Buffer, offset = 0, length = body.length - offset): void {
    const peer = this.#peers.get(tag);
    if (!peer) return this.#drops.add('unknown_circuit');
    const { queue } = peer;
    const { offset: at, full } = queue.push();
    if (full) this.#drops.add('queue_full');
    queue.bytes.writeUInt32BE(MESSAGE_KIND.mesh * 0x100_0000 + command * 0x1_0000, at);
    queue.bytes.writeUInt32BE(circuit, at + 4);
    body.copy(queue.bytes, at + MESH_HEADER_BYTES, offset, offset + length);
    queue.bytes.fill(0, at + MESH_HEADER_BYTES + length, at + this.#cellBytes);
  }

  /** Sends this tick's cells on every link: queued ones, then cover. */
  tick(now: Micros, outbox: PacketRing): void {
    for (const [name, zone] of this.#zones) {
      const cellsPerTick = rateAt(now, zone.rates, this.#floor);
      if (cellsPerTick !== zone.cellsPerTick) this.#change(name, zone, cellsPerTick);
      let busiest = 0;
      for (const { node, link, queue } of this.#peers.values())
        if (link && node.zone === name) busiest = Math.max(busiest, this.#demandOf(queue));
      zone.demand.add(busiest);
    }
    for (const { node, link, queue } of this.#peers.values()) {
      if (!link) continue;
      const { cellsPerTick } = this.#zones.get(node.zone)!;
      for (let cell = 0; cell < cellsPerTick; cell += 1) {
        const offset = this.#links.reserve(link, outbox);
        if (offset < 0) break;
        const front = queue.front();
        if (front !== undefined) {
          queue.bytes.copy(outbox.bytes, offset, front, front + this.#cellBytes);
          queue.drop();
        } else {
          outbox.bytes.fill(0, offset, offset + this.#cellBytes);
          outbox.bytes.writeUInt32BE(MESSAGE_KIND.mesh * 0x100_0000 + MESH_COMMAND.pad * 0x1_0000, offset);
        }
        this.#links.send(link, outbox, this.#cellBytes);
      }
      if (queue.settle()) this.#drops.add('queue_standing');
    }
  }

  #endEpoch(epoch: number): void {
    if (this.#epoch !== undefined && epoch > this.#epoch) {
      this.#report = [...this.#zones].map(([zone, { demand }]) => {
        return { zone, cells: published(demand.take(), this.#entropy) };
      });
    }
    this.#epoch = epoch;
  }

  #learnRates(now: Micros, { own, peers }: View): void {
    this.#floor = own.params.meshCellsPerTick;
    const names = new Set([own, ...peers].map(({ zone }) => zone));
    for (const name of this.#zones.keys()) if (!names.has(name)) this.#zones.delete(name);
    for (const name of names) {
      const rates = own.meshRates.filter(({ zone }) => zone === name).sort((a, b) => a.from - b.from);
      const known = this.#zones.get(name);
      // What is in force changes in a tick, for all links at once.
      if (known) known.rates = rates;
      else this.#zones.set(name, { rates, cellsPerTick: rateAt(now, rates, this.#floor), demand: new Demand() });
    }
  }

  /** What waits and does not fit the new queues is given up, oldest first: sending it would be a burst. */
  #change(name: string, zone: MeshZone, cellsPerTick: number): void {
    zone.cellsPerTick = cellsPerTick;
    for (const peer of this.#peers.values()) {
      if (peer.node.zone !== name) continue;
      const before = peer.queue;
      const queue = new CellQueue(this.#cellBytes, cellsPerTick * QUEUE_TICKS_MAX);
      for (let front = before.front(); front !== undefined; front = before.front()) {
        if (before.count > queue.capacity) this.#drops.add('queue_full');
        else before.bytes.copy(queue.bytes, queue.push().offset, front, front + this.#cellBytes);
        before.drop();
      }
      peer.queue = queue;
    }
  }

  /** Circuits and legs that have a cell waiting. */
  #demandOf(queue: CellQueue): number {
    const { bytes, capacity, cellBytes, count } = queue;
    if (count < 2) return count;
    const head = queue.front()! / cellBytes;
    this.#waiting.clear();
    for (let i = 0; i < count; i += 1) this.#waiting.add(bytes.readUInt32BE(((head + i) % capacity) * cellBytes + 4));
    return this.#waiting.size;
  }
}

/** Cells per second on every mesh link to a node of each zone, by name; all of it stands in the consensus. */
export function meshRatesAt(now: Micros, { own, peers }: View): Map<string, number> {
  const cellsPerSecond = (zone: string) => {
    const rates = own.meshRates.filter((rate) => rate.zone === zone).sort((a, b) => a.from - b.from);
    return rateAt(now, rates, own.params.meshCellsPerTick) * TICKS_PER_SECOND;
  };
  return new Map([own, ...peers].map(({ zone }) => [zone, cellsPerSecond(zone)]));
}

/** The newest rate that has begun, or the floor; a function of the clock, so that it does not matter when it was heard of. */
function rateAt(now: Micros, rates: readonly MeshRate[], floor: number): number {
  let cellsPerTick = floor;
  for (const rate of rates) if (rate.from * MILLISECOND_US <= now) cellsPerTick = rate.cellsPerTick;
  return cellsPerTick;
}
