import type { ConsensusNode, View } from '../config/consensus.ts';
import type { DropCounters } from '../core/drop.ts';
import { CellQueue } from '../core/queue.ts';
import type { PacketRing } from '../core/ring.ts';
import type { Micros } from '../core/units.ts';
import { MESH_COMMAND, MESH_HEADER_BYTES, MESSAGE_KIND, QUEUE_TICKS_MAX } from '../wire/constants.ts';
import type { Link, Links } from './links.ts';

/**
 * The mesh among mixes and rendezvous of all zones (WIRE.md 4).
 *
 * Property: on a link that is up, every tick sends exactly `cellsPerTick` cells of one size, whatever is queued. Cells
 * wait at most QUEUE_TICKS_MAX ticks; then the oldest makes room, whosever it is.
 */
export interface MeshPeer {
  readonly kind: 'mesh';
  readonly tag: string;
}

interface MeshLink<P> {
  readonly node: ConsensusNode;
  link: Link<P> | undefined;
  readonly queue: CellQueue;
  nextCircuit: number;
}

/** Both ends know who starts a link: the lower tag. */
export function initiates(ownTag: string, peerTag: string): boolean {
  return ownTag < peerTag;
}

/**
 * The mesh nodes of a view but for oneself, by tag. The own zone's word counts first: a peer zone that lists one of our
 * nodes, or another peer's, cannot lead anybody elsewhere.
 */
export function meshNodes(view: View, ownTag: string): Map<string, ConsensusNode> {
  const nodes = new Map<string, ConsensusNode>();
  for (const consensus of [view.own, ...view.peers]) {
    for (const node of consensus.nodes) {
      if (node.role !== 'superpeer' && node.tag !== ownTag && !nodes.has(node.tag)) nodes.set(node.tag, node);
    }
  }
  return nodes;
}

export class Mesh<P> {
  readonly #links: Links<P>;
  readonly #drops: DropCounters;
  readonly #ownTag: string;
  readonly #cellBytes: number;
  readonly #cellsPerTick: number;
  /** By node tag. BOUNDED: by the consensus. */
  readonly #peers = new Map<string, MeshLink<P>>();

  constructor(links: Links<P>, drops: DropCounters, ownTag: string, cellBytes: number, cellsPerTick: number) {
    this.#links = links;
    this.#drops = drops;
    this.#ownTag = ownTag;
    this.#cellBytes = cellBytes;
    this.#cellsPerTick = cellsPerTick;
  }

  /** Follows the consensus: links to new nodes, none to those that left. `peer` labels a link that we open. */
  update(now: Micros, view: View, peer: (node: ConsensusNode) => P): void {
    const nodes = meshNodes(view, this.#ownTag);
    for (const [tag, known] of this.#peers) {
      const node = nodes.get(tag);
      if (node && node.endpoint === known.node.endpoint && node.boot === known.node.boot) continue;
      // A restarted node is another process with none of our keys: begin anew at once instead of waiting for the silence.
      if (known.link && (known.link.initiator || !node)) this.#links.close(known.link);
      this.#peers.delete(tag);
    }
    for (const [tag, node] of nodes) {
      if (this.#peers.has(tag)) continue;
      const link = initiates(this.#ownTag, tag)
        ? this.#links.connect(now, peer(node), node.linkKey, node.endpoint)
        : undefined;
      const queue = new CellQueue(this.#cellBytes, this.#cellsPerTick * QUEUE_TICKS_MAX);
      this.#peers.set(tag, { node, link, queue, nextCircuit: link ? 1 : 2 });
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

  /** A circuit id that we may open on the link to `tag`; undefined if it is no peer. */
  openCircuit(tag: string): number | undefined {
    const peer = this.#peers.get(tag);
    if (!peer) return undefined;
    const circuit = peer.nextCircuit;
    // 2^31 ids of our parity: at a thousand circuits a second they come round after 24 days, long after any has ended.
    peer.nextCircuit = circuit + 2 > 0xffff_ffff ? (circuit % 2) + 2 : circuit + 2;
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
  tick(outbox: PacketRing): void {
    for (const { link, queue } of this.#peers.values()) {
      if (!link) continue;
      for (let cell = 0; cell < this.#cellsPerTick; cell += 1) {
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
}
