import { nodeTag, type View } from '../config/consensus.ts';
import type { DropCounters } from '../core/drop.ts';
import type { Entropy, Machine } from '../core/machine.ts';
import type { PacketRing } from '../core/ring.ts';
import { type Micros, SECOND_US } from '../core/units.ts';
import { AEAD_TAG_BYTES } from '../crypto/aead.ts';
import { type Identity, KEY_BYTES } from '../crypto/keys.ts';
import { Handshake } from '../crypto/noise.ts';
import { type Link, Links } from '../link/links.ts';
import { initiates, Mesh, type MeshPeer, meshNodes } from '../link/mesh.ts';
import {
  A1_BYTES,
  C2_BYTES,
  CONTROL_BYTES,
  COUNTER_BYTES,
  DOWN_HEADER_BYTES,
  GEOMETRY,
  type Geometry,
  MANIFEST_PRESENT,
  MANIFEST_SEQUENCE_MASK,
  MESH_COMMAND,
  MESH_HEADER_BYTES,
  MESSAGE_KIND,
  manifestBytes,
  NODE_TAG_BYTES,
  PROLOGUE,
  ROUND_HEADER_BYTES,
  roundBytes,
  SIGNAL_BYTES,
  SIGNAL_ENTRY_BYTES,
  SIGNAL_SLOT_NONE,
  SIGNALS_PER_ROUND,
} from '../wire/constants.ts';
import { type AttachRequest, Channel, CLIENT_SILENCE_US, Client } from './channel.ts';

/**
 * An entry mix: takes its channels' rounds from the superpeers, cancels the clients' keystreams, passes the speaker's
 * cell on to its rendezvous, and sends what comes back down the channel.
 *
 * It receives ROUND and ATTACH from superpeers and MESH from mixes and rendezvous; in every tick it sends one DOWN per
 * channel and the mesh's constant number of cells, whether anybody speaks or not. It knows which client has a channel,
 * and neither with whom nor, below the relay cell, what for.
 */
const ATTACH_PENDING_US = 5 * SECOND_US;
/** BOUNDED: attachments that wait for their rendezvous; each costs two handshakes, so a flood fills this before the CPU. */
const ATTACH_PENDING_MAX = 256;
/** A round's sequence numbers come as 7 bits: what is further off than this is not the number of this client. */
const SEQUENCE_SPAN = MANIFEST_SEQUENCE_MASK + 1;

export interface SuperpeerPeer {
  readonly kind: 'superpeer';
  readonly id: string;
}
type MixPeer = MeshPeer | SuperpeerPeer;

interface PendingAttach {
  readonly state: Handshake;
  readonly channel: number;
  readonly handle: number;
  readonly request: AttachRequest;
  readonly since: Micros;
}

export interface MixOptions {
  readonly identity: Identity;
  readonly entropy: Entropy;
  readonly drops: DropCounters;
  readonly view: View;
  readonly now: Micros;
}

export class Mix implements Machine {
  readonly #options: MixOptions;
  readonly #geometry: Geometry;
  readonly #clientsPerChannel: number;
  readonly #tag: string;
  readonly #links: Links<MixPeer>;
  readonly #mesh: Mesh<MixPeer>;
  #peersByKey = new Map<string, MixPeer>();
  /** By channel id. BOUNDED: by the consensus. */
  readonly #channels = new Map<number, { channel: Channel; superpeer: string; link: Link<MixPeer> | undefined }>();
  /** By rendezvous tag and circuit. BOUNDED: ATTACH_PENDING_MAX. */
  readonly #pending = new Map<string, PendingAttach>();
  /** By rendezvous tag and circuit. BOUNDED: channels · clientsPerChannel. */
  readonly #clients = new Map<string, { client: Client; channel: Channel }>();
  #rendezvousBoots = new Map<string, number>();
  readonly #coded: Buffer<ArrayBuffer>;
  readonly #codedWords: Uint32Array;

  constructor(options: MixOptions) {
    this.#options = options;
    const { params } = options.view.own;
    this.#geometry = GEOMETRY[params.profile];
    this.#clientsPerChannel = params.clientsPerChannel;
    this.#tag = nodeTag(options.identity.link.publicKey);
    this.#links = new Links<MixPeer>({
      self: options.identity.link,
      entropy: options.entropy,
      drops: options.drops,
      admit: (key) => (key ? this.#peersByKey.get(key.toString('hex')) : undefined),
      linksMax: 2048,
    });
    this.#mesh = new Mesh(this.#links, options.drops, this.#tag, this.#geometry.mesh, params.meshCellsPerTick);
    const memory = new ArrayBuffer(this.#geometry.mix);
    this.#coded = Buffer.from(memory);
    this.#codedWords = new Uint32Array(memory);
    this.update(options.now, options.view);
  }

  /** Follows a newer consensus: channels that are ours, superpeers and mesh nodes that may link to us. */
  update(now: Micros, view: View): void {
    const mesh = [...meshNodes(view, this.#tag).values()];
    const peers = new Map<string, MixPeer>();
    for (const node of mesh) {
      if (initiates(node.tag, this.#tag)) peers.set(node.linkKey.toString('hex'), { kind: 'mesh', tag: node.tag });
    }
    const mine = view.own.channels.filter(({ mix }) => mix.tag === this.#tag);
    for (const { superpeer } of mine)
      peers.set(superpeer.linkKey.toString('hex'), { kind: 'superpeer', id: superpeer.id });
    this.#peersByKey = peers;
    this.#mesh.update(now, view, (node) => ({ kind: 'mesh', tag: node.tag }));
    const superpeers = new Map(mine.map(({ id, superpeer }) => [id, superpeer.id]));
    for (const [id, { channel, superpeer }] of this.#channels) {
      // A channel that another superpeer carries now is another channel: its clients attach anew.
      if (superpeers.get(id) === superpeer) continue;
      for (const client of channel.clients) if (client) this.#detach(channel, client);
      this.#channels.delete(id);
    }
    for (const { id, superpeer } of mine) {
      if (this.#channels.has(id)) continue;
      const channel = new Channel(id, this.#clientsPerChannel, this.#geometry.relay);
      this.#channels.set(id, { channel, superpeer: superpeer.id, link: undefined });
    }
    this.#abandonFromRestarted(new Map(mesh.map((node) => [node.tag, node.boot])));
  }

  meshLinks(): { up: number; all: number } {
    return this.#mesh.linksUp();
  }

  channelsUp(): { up: number; all: number } {
    let up = 0;
    for (const { link } of this.#channels.values()) if (link && this.#links.isUp(link)) up += 1;
    return { up, all: this.#channels.size };
  }

  clients(): number {
    return this.#clients.size;
  }

  tick(now: Micros, inbox: PacketRing, outbox: PacketRing): void {
    for (let i = 0; i < inbox.count; i += 1) {
      const link = this.#links.receive(now, inbox, i, outbox);
      if (link) this.#message(now, link, inbox.bytes, outbox);
    }
    this.#links.tick(now, outbox, () => {});
    this.#expire(now);
    this.#mesh.tick(outbox);
    for (const { channel, link } of this.#channels.values()) if (link) this.#sendDown(channel, link, outbox);
  }

  #message(now: Micros, link: Link<MixPeer>, bytes: Buffer, outbox: PacketRing): void {
    const { drops } = this.#options;
    const message = bytes.subarray(this.#links.plainOffset, this.#links.plainOffset + this.#links.plainLength);
    const { peer } = link;
    if (peer.kind === 'mesh') {
      this.#mesh.attach(peer.tag, link);
      if (message[0] !== MESSAGE_KIND.mesh) return drops.add('unknown_kind');
      if (message.length !== this.#geometry.mesh) return drops.add('truncated');
      return this.#meshCell(now, peer.tag, message, outbox);
    }
    switch (message[0]) {
      case MESSAGE_KIND.round:
        return this.#round(now, link, peer, message);
      case MESSAGE_KIND.attach:
        return this.#attach(now, peer, message);
      default:
        return drops.add('unknown_kind');
    }
  }

  /** A channel of that superpeer; from another it would be somebody else's round. */
  #channelOf(peer: SuperpeerPeer, message: Buffer) {
    const entry = this.#channels.get(message.readUInt16BE(2));
    return entry?.superpeer === peer.id ? entry : undefined;
  }

  #attach(now: Micros, peer: SuperpeerPeer, message: Buffer): void {
    const { drops, identity } = this.#options;
    if (message.length !== 8 + A1_BYTES) return drops.add('truncated');
    const entry = this.#channelOf(peer, message);
    if (!entry) return drops.add('not_attached');
    if (this.#pending.size >= ATTACH_PENDING_MAX || entry.channel.freeSlot() < 0) return drops.add('table_full');
    const state = new Handshake({ pattern: 'NK', initiator: false, prologue: PROLOGUE.attach, local: identity.link });
    const payload = state.read(message.subarray(8));
    if (!payload) return drops.add('bad_handshake');
    const rendezvousTag = payload.toString('hex', 0, NODE_TAG_BYTES);
    const circuit = this.#mesh.isUp(rendezvousTag) ? this.#mesh.openCircuit(rendezvousTag) : undefined;
    if (circuit === undefined) return drops.add('unknown_circuit');
    this.#pending.set(`${rendezvousTag}/${circuit}`, {
      state,
      channel: entry.channel.id,
      handle: message.readUInt32BE(4),
      request: { rendezvousTag, circuit, firstSequence: payload.readUInt32BE(NODE_TAG_BYTES) },
      since: now,
    });
    this.#mesh.queue(rendezvousTag, MESH_COMMAND.create, circuit, payload, NODE_TAG_BYTES + COUNTER_BYTES);
  }

  #meshCell(now: Micros, tag: string, message: Buffer, outbox: PacketRing): void {
    const { drops } = this.#options;
    const command = message[1];
    const circuit = message.readUInt32BE(4);
    const body = message.subarray(MESH_HEADER_BYTES);
    switch (command) {
      case MESH_COMMAND.pad:
        return;
      case MESH_COMMAND.created:
        return this.#created(now, tag, circuit, body.subarray(0, C2_BYTES), outbox);
      case MESH_COMMAND.cell:
        return this.#cellDown(now, tag, circuit, body);
      default:
        return drops.add('unknown_kind');
    }
  }

  #created(now: Micros, tag: string, circuit: number, answer: Buffer, outbox: PacketRing): void {
    const { drops } = this.#options;
    const key = `${tag}/${circuit}`;
    const pending = this.#pending.get(key);
    if (!pending) return drops.add('unknown_circuit');
    this.#pending.delete(key);
    const entry = this.#channels.get(pending.channel);
    const slot = entry?.channel.freeSlot() ?? -1;
    if (!entry?.link || slot < 0) return drops.add('table_full');
    const offset = this.#links.reserve(entry.link, outbox);
    if (offset < 0) return;
    const message = pending.state.write(answer, this.#random(KEY_BYTES))!;
    const client = new Client(now, slot, pending.request, pending.state.split(), this.#geometry.mix);
    entry.channel.clients[slot] = client;
    this.#clients.set(key, { client, channel: entry.channel });
    outbox.bytes[offset] = MESSAGE_KIND.attached;
    outbox.bytes[offset + 1] = slot;
    outbox.bytes.writeUInt16BE(pending.channel, offset + 2);
    outbox.bytes.writeUInt32BE(pending.handle, offset + 4);
    message.copy(outbox.bytes, offset + 8);
    this.#links.send(entry.link, outbox, 8 + message.length);
  }

  #cellDown(now: Micros, tag: string, circuit: number, body: Buffer): void {
    const { drops } = this.#options;
    const known = this.#clients.get(`${tag}/${circuit}`);
    if (!known) return drops.add('unknown_circuit');
    if (!known.channel.hold(now, known.client, false)) return drops.add('channel_busy');
    if (known.channel.queueDown(body)) drops.add('queue_full');
  }

  #round(now: Micros, link: Link<MixPeer>, peer: SuperpeerPeer, message: Buffer): void {
    const { drops } = this.#options;
    if (message.length !== roundBytes(this.#geometry, this.#clientsPerChannel)) return drops.add('truncated');
    const entry = this.#channelOf(peer, message);
    if (!entry) return drops.add('not_attached');
    entry.link = link;
    const { channel } = entry;
    const signalsAt = ROUND_HEADER_BYTES + manifestBytes(this.#clientsPerChannel);
    for (let i = 0; i < SIGNALS_PER_ROUND; i += 1) {
      this.#signal(now, channel, message.subarray(signalsAt + i * SIGNAL_ENTRY_BYTES));
    }
    message.copy(this.#coded, 0, signalsAt + SIGNALS_PER_ROUND * SIGNAL_ENTRY_BYTES);
    const speaker = channel.holder;
    let speakerSequence = -1;
    for (let slot = 0; slot < this.#clientsPerChannel; slot += 1) {
      const entryByte = message[ROUND_HEADER_BYTES + slot]!;
      if (entryByte === 0) continue;
      const client = channel.clients[slot];
      const sequence = client ? nearestSequence(client.sequence, entryByte) : -1;
      // The rest of the round cannot be cancelled: an unknown part stays in it. That is the superpeer's doing.
      if (!client || sequence < 0) return drops.add('bad_manifest');
      client.coding.xorInto(this.#codedWords, 0, sequence);
      client.sequence = Math.max(client.sequence, sequence);
      client.heardAt = now;
      if (client === speaker) speakerSequence = sequence;
    }
    if (this.#codedWords.every((word) => word === 0)) return;
    if (!speaker || speakerSequence < 0) return drops.add('coding_collision');
    this.#speech(now, channel, speaker, speakerSequence);
  }

  /** What is left of the round once everybody's keystream is gone: the speaker's cell, or nothing that opens. */
  #speech(now: Micros, channel: Channel, speaker: Client, sequence: number): void {
    const { drops } = this.#options;
    if (!speaker.cellWindow.isFresh(sequence)) return drops.add('replayed');
    if (!speaker.cellReceive.open(this.#coded, 0, this.#geometry.relay, sequence)) return drops.add('coding_collision');
    speaker.cellWindow.mark(sequence);
    channel.heard(now);
    this.#mesh.queue(speaker.rendezvousTag, MESH_COMMAND.cell, speaker.circuit, this.#coded, 0, this.#geometry.relay);
  }

  #signal(now: Micros, channel: Channel, entry: Buffer): void {
    const { drops } = this.#options;
    const slot = entry[0]!;
    if (slot === SIGNAL_SLOT_NONE) return;
    const client = channel.clients[slot];
    if (!client) return drops.add('not_attached');
    const sequence = entry.readUInt32BE(4);
    if (!client.signalWindow.isFresh(sequence)) return drops.add('replayed');
    const cell = entry.subarray(8, 8 + SIGNAL_BYTES);
    if (!client.signal.open(cell, 0, SIGNAL_BYTES - AEAD_TAG_BYTES, sequence)) return drops.add('bad_tag');
    client.signalWindow.mark(sequence);
    client.sequence = Math.max(client.sequence, sequence);
    client.heardAt = now;
    if (!client.abandoned) channel.signalled(now, client, cell[0] === 1);
  }

  #sendDown(channel: Channel, link: Link<MixPeer>, outbox: PacketRing): void {
    const offset = this.#links.reserve(link, outbox);
    if (offset < 0) return;
    const { bytes } = outbox;
    const { down, holder } = channel;
    channel.down += 1;
    bytes.writeUInt32BE(MESSAGE_KIND.down * 0x100_0000 + channel.id, offset);
    bytes.writeUInt32BE(down, offset + 4);
    const controlAt = offset + DOWN_HEADER_BYTES;
    const addressed = channel.nextControl();
    if (addressed) {
      bytes.fill(0, controlAt, controlAt + CONTROL_BYTES);
      bytes[controlAt] = addressed.grant;
      addressed.control.seal(bytes, controlAt, CONTROL_BYTES - AEAD_TAG_BYTES, down);
    } else this.#options.entropy(bytes.subarray(controlAt, controlAt + CONTROL_BYTES));
    const mediaAt = controlAt + CONTROL_BYTES;
    if (holder && channel.takeDown(bytes, mediaAt)) holder.cellSend.seal(bytes, mediaAt, this.#geometry.relay, down);
    else this.#options.entropy(bytes.subarray(mediaAt, mediaAt + this.#geometry.mix));
    this.#links.send(link, outbox, this.#geometry.down);
    if (channel.settle()) this.#options.drops.add('queue_standing');
  }

  #expire(now: Micros): void {
    for (const [key, pending] of this.#pending) {
      if (now - pending.since > ATTACH_PENDING_US) this.#pending.delete(key);
    }
    for (const { channel } of this.#channels.values()) {
      channel.expire(now);
      for (const client of channel.clients) {
        if (client && now - client.heardAt > CLIENT_SILENCE_US) this.#detach(channel, client);
      }
    }
  }

  /** Clients whose rendezvous has lost their circuits: without control cells they attach anew. */
  #abandonFromRestarted(boots: Map<string, number>): void {
    for (const [key, { client, channel }] of this.#clients) {
      if (boots.get(client.rendezvousTag) === this.#rendezvousBoots.get(client.rendezvousTag)) continue;
      if (channel.holder === client) channel.release();
      client.abandoned = true;
      this.#clients.delete(key);
    }
    this.#rendezvousBoots = boots;
  }

  #detach(channel: Channel, client: Client): void {
    channel.remove(client);
    if (client.abandoned) return;
    this.#clients.delete(`${client.rendezvousTag}/${client.circuit}`);
    this.#mesh.queue(client.rendezvousTag, MESH_COMMAND.destroy, client.circuit, Buffer.alloc(0));
  }

  #random(bytes: number): Buffer {
    const buffer = Buffer.alloc(bytes);
    this.#options.entropy(buffer);
    return buffer;
  }
}

/** The sequence number nearest to the one after `last` whose low 7 bits a manifest byte gives; negative if it names none. */
export function nearestSequence(last: number, manifestByte: number): number {
  if ((manifestByte & MANIFEST_PRESENT) === 0) return -1;
  const expected = last + 1;
  const low = manifestByte & MANIFEST_SEQUENCE_MASK;
  const base = expected - (expected % SEQUENCE_SPAN) + low;
  const half = SEQUENCE_SPAN / 2;
  if (base - expected > half) return base - SEQUENCE_SPAN;
  return expected - base > half ? base + SEQUENCE_SPAN : base;
}
