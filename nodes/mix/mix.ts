import { lists, type ScheduledKey, type View } from '../config/consensus.ts';
import type { ZoneDemand } from '../config/descriptor.ts';
import { type RoundsReport, receiptPeriodMs } from '../config/receipt.ts';
import { UNSERVICEABLE } from '../config/verdict.ts';
import type { DropCounters } from '../core/drop.ts';
import { draw, drawFraction, type Entropy, type Machine, type Rate } from '../core/machine.ts';
import type { PacketRing } from '../core/ring.ts';
import { MILLISECOND_US, type Micros, SECOND_US } from '../core/units.ts';
import { AEAD_TAG_BYTES } from '../crypto/aead.ts';
import { GENERATION_BITS } from '../crypto/generations.ts';
import { type Identity, KEY_BYTES, type NodeKeys } from '../crypto/keys.ts';
import { type Handshake, respond } from '../crypto/noise.ts';
import { type Link, Links } from '../link/links.ts';
import { initiates, Mesh, type MeshPeer, meshNodes } from '../link/mesh.ts';
import { OwnKeys } from '../link/own-keys.ts';
import {
  A1_BYTES,
  ATTACHMENTS_MAX,
  AUDIT_BYTES,
  C1_BYTES,
  C2_BYTES,
  CIRCUITS_MAX,
  CONTROL_BYTES,
  COUNTER_BYTES,
  DETACHED_BYTES,
  DOWN_HEADER_BYTES,
  GEOMETRY,
  type Geometry,
  HEARD_MISSED_SHIFT,
  HEARD_WINDOW,
  LEFT_CHANNEL_US,
  LINK_OVERHEAD_BYTES,
  MANIFEST_PRESENT,
  MANIFEST_SEQUENCE_MASK,
  MESH_COMMAND,
  MESH_HEADER_BYTES,
  MESSAGE_KIND,
  MIX_HEADER_BYTES,
  manifestBytes,
  NODE_TAG_BYTES,
  PROLOGUE,
  ROUND_HEADER_BYTES,
  roundBytes,
  SESSION_BYTES,
  SIGNAL_BYTES,
  SIGNAL_DECEIVED_SHIFT,
  SIGNAL_ENTRY_BYTES,
  SIGNAL_SLOT_NONE,
  SIGNAL_WANT,
  SIGNALS_PER_ROUND,
  TICK_US,
  UP_HEADER_BYTES,
} from '../wire/constants.ts';
import { Allocation, type Line, type Party } from './allocation.ts';
import { Auditor, type BadRound, type Guilt, Jury, type Verdict } from './audit.ts';
import { Attachment, Channel, CLIENT_SILENCE_US } from './channel.ts';
import { Circuits } from './circuits.ts';
import { Rounds } from './rounds.ts';
import { Session } from './session.ts';
import { type Carried, Service } from './watch.ts';

/**
 * An entry mix: takes its channels' rounds from the superpeers, cancels the clients' keystreams, passes the speaker's
 * cell on to its rendezvous, and sends what comes back down the channel.
 *
 * It receives ROUND and ATTACH from superpeers (UP and ATTACH from clients without one) and MESH from mixes and
 * rendezvous; in every tick it sends one DOWN per channel and the mesh's constant number of cells, whether anybody
 * speaks or not. It knows which client has a channel, and neither with whom nor, below the relay cell, what for.
 */
const ATTACH_PENDING_US = 5 * SECOND_US;
/** BOUNDED: attachments that wait for their rendezvous. */
const ATTACH_PENDING_MAX = 256;
/** Each costs two handshakes of 0.3 ms in all: this many leave most of a tick to those who are already in. */
const ATTACH_PER_TICK_MAX = 16;
/** A round's sequence numbers come as 7 bits: what is further off than this is not the number of this client. */
const SEQUENCE_SPAN = MANIFEST_SEQUENCE_MASK + 1;

/** A client whose T does not verify is not held against its superpeer while the slot may still be another's there. */
const SETTLED_US = SECOND_US;
/** Where media was missed no call goes back for so long. */
const MISSED_US = SECOND_US;
/** A superpeer that has been told for this long that nobody has a slot knows it. */
const DESERTED_US = 2 * SECOND_US;
/** BOUNDED: clients that audits have sent away; the oldest is forgotten first. */
const REFUSED_MAX = 4096;
/** A client that jams stays away until keys have changed, one that may lie does not come back to the same superpeer. */
const JAMMED_US = 2 ** GENERATION_BITS * TICK_US;
const PARTED_US = 3600 * SECOND_US;

interface SuperpeerPeer {
  readonly kind: 'superpeer';
  readonly id: string;
}
/** A client without a superpeer: a channel of its own, once it is attached. */
interface DirectPeer {
  readonly kind: 'client';
  channel: Channel | undefined;
}
type MixPeer = MeshPeer | SuperpeerPeer | DirectPeer;

interface ChannelEntry {
  readonly channel: Channel;
  readonly superpeer: string;
  /** Ours to begin with; else we stand by for another mix, and send only while clients have come to us. */
  primary: boolean;
  /** Since when it has been other mixes': its clients are leaving. */
  leftAt: Micros | undefined;
  link: Link<MixPeer> | undefined;
  readonly auditor: Auditor<Attachment>;
  readonly jury: Jury;
  readonly service: Service;
}

/** What it is guilty of; or nothing but that it carries too little (watch.ts). */
export type ExpelReason = Guilt | typeof UNSERVICEABLE;

/** A superpeer that is not to be used any more, for the directory to know. */
export interface MixEvent {
  readonly kind: 'expelled';
  /** Its id in the consensus. */
  readonly superpeer: string;
  readonly reason: ExpelReason;
}

interface PendingAttach {
  readonly state: Handshake;
  /** undefined: a client without a superpeer. */
  readonly entry: ChannelEntry | undefined;
  readonly link: Link<MixPeer>;
  readonly handle: number;
  readonly session: string;
  /** Of the attachment, or of the half-circuit where that is asked for alone. */
  readonly number: number;
  readonly alone: boolean;
  readonly firstSequence: number;
  readonly rendezvousTag: string;
  readonly circuit: number;
  readonly since: Micros;
}

export interface MixOptions {
  readonly identity: Identity;
  readonly keys: NodeKeys;
  readonly entropy: Entropy;
  readonly drops: DropCounters;
  readonly view: View;
  readonly now: Micros;
}

export class Mix implements Machine {
  readonly #options: MixOptions;
  readonly #geometry: Geometry;
  readonly #clientsPerChannel: number;
  readonly #own: OwnKeys;
  readonly #links: Links<MixPeer>;
  readonly #mesh: Mesh<MixPeer>;
  readonly #allocation: Allocation;
  readonly #rounds: Rounds;
  #directMax: number;
  /** By tag: who may open a link to us. BOUNDED: by the consensus. */
  #peers = new Map<string, { readonly peer: MixPeer; readonly keys: readonly ScheduledKey[] }>();
  /** By channel id. BOUNDED: by the consensus. */
  readonly #channels = new Map<number, ChannelEntry>();
  /** BOUNDED: directMax. */
  readonly #direct = new Map<Link<MixPeer>, Channel>();
  /** By rendezvous tag and circuit. BOUNDED: ATTACH_PENDING_MAX. */
  readonly #pending = new Map<string, PendingAttach>();
  /** By the client's word for it. BOUNDED: by the slots of all channels. */
  readonly #sessions = new Map<string, Session>();
  /** BOUNDED: as #sessions. */
  readonly #parties = new Map<Party, Session>();
  readonly #circuits = new Circuits();
  /** By line: where a party's line leads. BOUNDED: one per channel. */
  readonly #lines = new Map<Line, Channel>();
  /** By tag: since when a node of the mesh drains. BOUNDED: by the consensus. */
  #drainsSince = new Map<string, Micros>();
  /** Superpeers that this mix has expelled. BOUNDED: by the consensus. */
  readonly #expelled = new Set<string>();
  /** BOUNDED: one per superpeer of the consensus; drained every tick. */
  readonly #events: MixEvent[] = [];
  /** Session, or session and superpeer, and until when it is refused. BOUNDED: REFUSED_MAX. */
  readonly #refused = new Map<string, Micros>();
  readonly #audits = { started: 0, guilty: 0, jams: 0, doubtful: 0 };
  #windowTicks = 0;
  #attachesLeft = ATTACH_PER_TICK_MAX;
  readonly #coded: Buffer<ArrayBuffer>;
  readonly #codedWords: Uint32Array;
  /** Sequence number of each slot in the round that is being read. */
  readonly #sequences: Float64Array;

  constructor(options: MixOptions) {
    this.#options = options;
    const { params } = options.view.own;
    this.#geometry = GEOMETRY[params.profile];
    this.#clientsPerChannel = params.clientsPerChannel;
    this.#directMax = params.directClients;
    this.#own = new OwnKeys(options.view.own.zone, options.identity, options.keys);
    this.#links = new Links<MixPeer>({
      self: this.#own,
      entropy: options.entropy,
      drops: options.drops,
      admit: (from) => this.#admit(from),
      linksMax: 2048 + 2 * params.directClients,
    });
    this.#mesh = new Mesh(this.#links, options.drops, options.entropy, this.#own.tag, this.#geometry.mesh);
    this.#allocation = new Allocation({
      mode: params.assignment,
      random: () => drawFraction(options.entropy),
      changed: (party) => this.#changed(party),
    });
    this.#rounds = new Rounds(options.now / MILLISECOND_US, receiptPeriodMs(params));
    const memory = new ArrayBuffer(this.#geometry.mix);
    this.#coded = Buffer.from(memory);
    this.#codedWords = new Uint32Array(memory);
    this.#sequences = new Float64Array(this.#clientsPerChannel);
    this.update(options.now, options.view);
  }

  /** Follows a newer consensus: channels that are ours, superpeers and mesh nodes that may link to us. */
  update(now: Micros, view: View): void {
    this.#own.follow(view);
    const mesh = [...meshNodes(view, this.#own.tag).values()];
    this.#peers = new Map();
    for (const { tag, linkKeys: keys } of mesh)
      if (initiates(tag, this.#own.tag)) this.#peers.set(tag, { peer: { kind: 'mesh', tag }, keys });
    const mine = view.own.channels.filter(
      ({ mix, standby }) => mix.tag === this.#own.tag || standby?.tag === this.#own.tag,
    );
    for (const { superpeer } of mine) {
      const { id, tag, linkKeys: keys } = superpeer;
      this.#peers.set(tag, { peer: { kind: 'superpeer', id }, keys });
    }
    this.#mesh.update(now, view, (node) => ({ kind: 'mesh', tag: node.tag }));
    this.#directMax = view.own.params.directClients;
    this.#rounds.configure(now / MILLISECOND_US, receiptPeriodMs(view.own.params));
    const superpeers = new Map(mine.map(({ id, superpeer }) => [id, superpeer.id]));
    const carriers = new Map(view.own.channels.map(({ id, superpeer }) => [id, superpeer.id]));
    for (const [id, entry] of this.#channels) {
      if (superpeers.get(id) === entry.superpeer) continue;
      // A channel that another superpeer carries now is another channel: its clients attach anew.
      if (carriers.get(id) !== entry.superpeer) this.#forget(now, id, entry);
      entry.primary = false;
      entry.leftAt ??= now;
      entry.channel.line.leaving = true;
    }
    // Who is listed again after it was left out has been let in by the operator.
    const carrying = new Set(superpeers.values());
    for (const id of this.#expelled) if (!carrying.has(id)) this.#expelled.delete(id);
    for (const { id, superpeer, mix } of mine) {
      const primary = mix.tag === this.#own.tag;
      const entry = this.#channels.get(id) ?? {
        channel: this.#open(now, id, this.#clientsPerChannel),
        superpeer: superpeer.id,
        primary,
        leftAt: undefined,
        link: undefined,
        auditor: new Auditor<Attachment>(this.#geometry),
        jury: new Jury(),
        service: new Service(),
      };
      if (this.#expelled.has(superpeer.id)) this.#abandon(entry);
      this.#channels.set(id, entry);
      entry.primary = primary;
      entry.leftAt = undefined;
      entry.channel.line.leaving = superpeer.draining;
    }
    const draining = mesh.filter((node) => node.draining);
    this.#drainsSince = new Map(draining.map(({ tag }) => [tag, this.#drainsSince.get(tag) ?? now]));
    this.#circuits.follow(new Map(mesh.map((node) => [node.tag, node.boot])), this.#sessions.values());
  }

  /** What its files hold now. */
  rekey(keys: NodeKeys): void {
    this.#own.replace(keys);
  }

  /** What the mesh carried in the epoch that has ended: once after its end, else undefined. */
  takeDemand(): readonly ZoneDemand[] | undefined {
    return this.#mesh.takeDemand();
  }

  /** What superpeers have carried, for their receipts. */
  rounds(): readonly RoundsReport[] {
    return this.#rounds.report();
  }

  /** The next thing that the control side has to know, oldest first. */
  poll(): MixEvent | undefined {
    return this.#events.shift();
  }

  /** Audits so far, and what they found: superpeers, clients that jam, and clients of whom nobody knows. */
  audits(): { readonly started: number; readonly guilty: number; readonly jams: number; readonly doubtful: number } {
    return this.#audits;
  }

  meshLinks(): { up: number; all: number } {
    return this.#mesh.linksUp();
  }

  channelsUp(): { up: number; all: number } {
    let up = 0;
    let all = 0;
    for (const { link, primary } of this.#channels.values()) {
      if (!primary) continue;
      all += 1;
      if (link && this.#links.isUp(link)) up += 1;
    }
    return { up, all };
  }

  /** The mesh's cells, and a frame for each channel and each client without a superpeer. */
  rate(): Rate {
    const { datagrams, bytes } = this.#mesh.rate();
    let frames = this.#direct.size;
    for (const { channel, link, primary } of this.#channels.values())
      if (link && this.#links.isUp(link) && (primary || !channel.isEmpty)) frames += 1;
    return { datagrams: datagrams + frames, bytes: bytes + frames * (this.#geometry.down + LINK_OVERHEAD_BYTES) };
  }

  /** Places taken on all channels. */
  clients(): number {
    let taken = 0;
    for (const session of this.#sessions.values()) {
      for (const attachment of session.attachments) if (attachment) taken += 1;
    }
    return taken;
  }

  /** What a leak would show in: everything that must be back at its size once clients and calls are gone. */
  holdings(): { sessions: number; circuits: number; held: number; draining: number; pending: number } {
    return {
      sessions: this.#sessions.size,
      circuits: this.#circuits.size,
      held: this.#allocation.held,
      draining: this.#allocation.draining,
      pending: this.#pending.size,
    };
  }

  tick(now: Micros, inbox: PacketRing, outbox: PacketRing): void {
    this.#attachesLeft = ATTACH_PER_TICK_MAX;
    for (let i = 0; i < inbox.count; i += 1) {
      const link = this.#links.receive(now, inbox, i, outbox);
      if (link) this.#message(now, link, inbox.bytes, outbox);
    }
    this.#links.tick(now, outbox, (link) => this.#gone(now, link));
    this.#expire(now);
    for (const entry of this.#channels.values()) this.#auditTick(now, entry, outbox);
    this.#watch(now);
    this.#allocation.tick(now);
    this.#mesh.tick(now, outbox);
    this.#rounds.tick(now / MILLISECOND_US);
    for (const { channel, link, primary, superpeer } of this.#channels.values()) {
      if (primary) this.#rounds.expect(channel.id, superpeer);
      if (link && (primary || !channel.isEmpty)) this.#sendDown(now, channel, link, outbox);
    }
    for (const [link, channel] of this.#direct) this.#sendDown(now, channel, link, outbox);
  }

  #admit(from: { tag: string; key: Buffer } | undefined): MixPeer | undefined {
    const known = from && this.#peers.get(from.tag);
    if (from) return known && lists(known.keys, from.key) ? known.peer : undefined;
    return this.#directMax > 0 ? { kind: 'client', channel: undefined } : undefined;
  }

  #open(now: Micros, id: number, slots: number): Channel {
    const line = this.#allocation.newLine(id);
    const down = draw(this.#options.entropy, 4).readUInt32BE() >>> 1;
    const channel = new Channel(now, id, line, down, slots, this.#geometry.mixPlain);
    this.#lines.set(line, channel);
    return channel;
  }

  #forget(now: Micros, id: number, entry: ChannelEntry): void {
    this.#close(now, entry.channel);
    this.#channels.delete(id);
  }

  #close(now: Micros, channel: Channel): void {
    for (const attachment of channel.attachments) if (attachment) this.#detach(now, attachment);
    this.#allocation.close(now, channel.line);
    this.#lines.delete(channel.line);
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
    if (peer.kind === 'client') {
      if (message[0] === MESSAGE_KIND.up) return this.#up(now, peer, message);
      if (message[0] === MESSAGE_KIND.attach) return this.#attachDirect(now, link, message);
    } else {
      if (message[0] === MESSAGE_KIND.round) return this.#round(now, link, peer, message, outbox);
      if (message[0] === MESSAGE_KIND.audited) return this.#audited(now, peer, message);
      if (message[0] === MESSAGE_KIND.attach) return this.#attachOver(now, link, peer, message);
    }
    drops.add('unknown_kind');
  }

  /** A channel of that superpeer; from another it would be somebody else's round. */
  #channelOf(peer: SuperpeerPeer, message: Buffer): ChannelEntry | undefined {
    const entry = this.#channels.get(message.readUInt16BE(2));
    return entry?.superpeer === peer.id ? entry : undefined;
  }

  // Joining

  #attachOver(now: Micros, link: Link<MixPeer>, peer: SuperpeerPeer, message: Buffer): void {
    const { drops } = this.#options;
    if (message.length !== 8 + A1_BYTES) return drops.add('truncated');
    const entry = this.#channelOf(peer, message);
    if (!entry) return drops.add('not_attached');
    if (this.#expelled.has(peer.id)) return drops.add('expelled');
    entry.link = link;
    this.#attach(now, link, entry, message.readUInt32BE(4), message.subarray(8));
  }

  #attachDirect(now: Micros, link: Link<MixPeer>, message: Buffer): void {
    const { drops } = this.#options;
    if (message.length !== 4 + A1_BYTES) return drops.add('truncated');
    if (this.#direct.size >= this.#directMax && !this.#direct.has(link)) return drops.add('table_full');
    this.#attach(now, link, undefined, 0, message.subarray(4));
  }

  #attach(now: Micros, link: Link<MixPeer>, entry: ChannelEntry | undefined, handle: number, a1: Buffer): void {
    const { drops } = this.#options;
    if (this.#pending.size >= ATTACH_PENDING_MAX) return drops.add('table_full');
    if (this.#attachesLeft === 0) return drops.add('handshake_limit');
    this.#attachesLeft -= 1;
    const read = respond('NK', PROLOGUE.attach, this.#own.circuit, a1);
    if (!read) return drops.add('bad_handshake');
    const { state, payload } = read;
    const session = payload.toString('hex', 0, SESSION_BYTES);
    const number = payload[SESSION_BYTES]!;
    const alone = payload[SESSION_BYTES + 1] === 1;
    const tagAt = SESSION_BYTES + 4;
    const rendezvousTag = payload.toString('hex', tagAt, tagAt + NODE_TAG_BYTES);
    const firstSequence = payload.readUInt32BE(tagAt + NODE_TAG_BYTES);
    if (number >= (alone ? CIRCUITS_MAX : ATTACHMENTS_MAX)) return drops.add('bad_handshake');
    if (this.#isRefused(now, session) || (entry && this.#isRefused(now, `${session} ${entry.superpeer}`)))
      return drops.add('refused');
    const circuit = this.#mesh.isUp(rendezvousTag) ? this.#mesh.openCircuit(rendezvousTag) : undefined;
    if (circuit === undefined) return drops.add('unknown_circuit');
    const key = `${rendezvousTag}/${circuit}`;
    const since = now;
    this.#pending.set(key, {
      state,
      entry,
      link,
      handle,
      session,
      number,
      alone,
      firstSequence,
      rendezvousTag,
      circuit,
      since,
    });
    const c1At = tagAt + NODE_TAG_BYTES + COUNTER_BYTES;
    this.#mesh.queue(rendezvousTag, MESH_COMMAND.create, circuit, payload, c1At, C1_BYTES);
  }

  #meshCell(now: Micros, tag: string, message: Buffer, outbox: PacketRing): void {
    const { drops } = this.#options;
    const circuit = message.readUInt32BE(4);
    const body = message.subarray(MESH_HEADER_BYTES);
    switch (message[1]) {
      case MESH_COMMAND.pad:
        return;
      case MESH_COMMAND.created:
        return this.#created(now, tag, circuit, body.subarray(0, C2_BYTES), outbox);
      case MESH_COMMAND.cell:
        return this.#cellDown(now, tag, circuit, body);
      case MESH_COMMAND.destroy:
        return this.#circuits.lost(tag, circuit);
      default:
        return drops.add('unknown_kind');
    }
  }

  #created(now: Micros, tag: string, id: number, answer: Buffer, outbox: PacketRing): void {
    const { drops } = this.#options;
    const key = `${tag}/${id}`;
    const pending = this.#pending.get(key);
    if (!pending) {
      // Too late: nobody waits for it any more.
      if (!this.#circuits.at(tag, id)) this.#circuits.end(tag, id);
      return drops.add('unknown_circuit');
    }
    this.#pending.delete(key);
    if (pending.alone) return this.#renewCircuit(now, pending, answer, outbox);
    const { number, entry, link } = pending;
    const channel = entry?.channel ?? this.#directChannel(now, link);
    const session = this.#sessions.get(pending.session) ?? new Session(now, pending.session);
    // The attachment before, of the same number, makes room: its slot may be the very one that is needed.
    const before = session.attachments[number];
    if (before) this.#leave(now, before);
    // Two places of one session on a channel would be of no use but to fill it.
    const isThere = channel.attachments.some((attachment) => attachment?.session === session);
    const slot = isThere ? -1 : channel.freeSlot();
    const offset = slot < 0 ? -1 : this.#links.reserve(link, outbox);
    if (offset < 0) {
      drops.add('table_full');
      this.#circuits.end(tag, id);
      if (session.isEmpty) this.#end(now, session);
      return;
    }
    this.#sendAttached(pending, { channel, slot }, answer, offset, outbox);
    const place = { session, number, channel, slot };
    const { mix } = this.#geometry;
    const keys = pending.state.split();
    const attachment = new Attachment(now, place, pending.firstSequence, keys, mix);
    this.#sessions.set(session.id, session);
    this.#parties.set(session.party, session);
    channel.attachments[slot] = attachment;
    session.attachments[number] = attachment;
    session.party.places[number] = { line: channel.line, heardAt: now, hears: true };
    this.#circuits.take(now, session, number, tag, id);
    session.announce();
  }

  /** A half-circuit of a client that is attached already, beside the one before: its attachments go on as they were. */
  #renewCircuit(now: Micros, pending: PendingAttach, answer: Buffer, outbox: PacketRing): void {
    const { number, entry, link, rendezvousTag, circuit } = pending;
    const session = this.#sessions.get(pending.session);
    const channel = link.peer.kind === 'client' ? link.peer.channel : entry?.channel;
    const attachment = session?.attachments.find((candidate) => candidate?.channel === channel);
    const offset = attachment ? this.#links.reserve(link, outbox) : -1;
    if (!session || !attachment || offset < 0) {
      this.#circuits.end(rendezvousTag, circuit);
      return this.#options.drops.add('not_attached');
    }
    this.#sendAttached(pending, attachment, answer, offset, outbox);
    this.#circuits.take(now, session, number, rendezvousTag, circuit);
    session.announce();
  }

  #sendAttached(
    { state, entry, handle, link }: PendingAttach,
    { channel, slot }: { readonly channel: Channel; readonly slot: number },
    answer: Buffer,
    offset: number,
    outbox: PacketRing,
  ): void {
    const payload = Buffer.alloc(COUNTER_BYTES + answer.length);
    payload.writeUInt32BE(channel.down + 1);
    answer.copy(payload, COUNTER_BYTES);
    const a2 = state.write(payload, draw(this.#options.entropy, KEY_BYTES))!;
    const { bytes } = outbox;
    const headerBytes = entry ? 8 : 4;
    bytes[offset] = MESSAGE_KIND.attached;
    bytes[offset + 1] = slot;
    bytes.writeUInt16BE(channel.id, offset + 2);
    if (entry) bytes.writeUInt32BE(handle, offset + 4);
    a2.copy(bytes, offset + headerBytes);
    this.#links.send(link, outbox, headerBytes + a2.length);
  }

  #directChannel(now: Micros, link: Link<MixPeer>): Channel {
    const known = this.#direct.get(link);
    if (known) this.#close(now, known);
    const channel = this.#open(now, 0, 1);
    this.#direct.set(link, channel);
    if (link.peer.kind === 'client') link.peer.channel = channel;
    return channel;
  }

  // Up

  #round(now: Micros, link: Link<MixPeer>, peer: SuperpeerPeer, message: Buffer, outbox: PacketRing): void {
    const { drops } = this.#options;
    if (message.length !== roundBytes(this.#geometry, this.#clientsPerChannel)) return drops.add('truncated');
    const entry = this.#channelOf(peer, message);
    if (!entry) return drops.add('not_attached');
    const { channel } = entry;
    entry.link = link;
    const signalsAt = ROUND_HEADER_BYTES + manifestBytes(this.#clientsPerChannel);
    for (let i = 0; i < SIGNALS_PER_ROUND; i += 1) {
      const signal = message.subarray(signalsAt + i * SIGNAL_ENTRY_BYTES);
      const slot = signal[0]!;
      if (slot === SIGNAL_SLOT_NONE) continue;
      const attachment = channel.attachments[slot];
      if (attachment) this.#signal(now, attachment, signal.readUInt32BE(4), signal.subarray(8, 8 + SIGNAL_BYTES));
      else drops.add('not_attached');
    }
    message.copy(this.#coded, 0, signalsAt + SIGNALS_PER_ROUND * SIGNAL_ENTRY_BYTES);
    const manifest = message.subarray(ROUND_HEADER_BYTES, signalsAt);
    const named = this.#cancel(channel, manifest);
    const outcome = named ? this.#decode(now, channel) : 'bad';
    channel.rounds += 1;
    this.#rounds.came(channel.id, peer.id, outcome === 'bad');
    this.#believe(now, channel, outcome);
    if (outcome !== 'bad') return;
    this.#tellDeserted(entry, (slot) => manifest[slot] !== 0, outbox);
    if (channel.isAbandoned) return;
    const sum = message.subarray(signalsAt + SIGNALS_PER_ROUND * SIGNAL_ENTRY_BYTES);
    const isAudited = entry.auditor.bad(now, () =>
      this.#badRound(now, channel, message.readUInt32BE(4), manifest, sum),
    );
    if (isAudited) this.#audits.started += 1;
  }

  /** A client without a superpeer: a round of its own. */
  #up(now: Micros, peer: DirectPeer, message: Buffer): void {
    const { drops } = this.#options;
    if (message.length !== this.#geometry.up) return drops.add('truncated');
    const attachment = peer.channel?.attachments[0];
    if (!attachment) return drops.add('not_attached');
    const sequence = message.readUInt32BE(4);
    this.#signal(now, attachment, sequence, message.subarray(UP_HEADER_BYTES, UP_HEADER_BYTES + SIGNAL_BYTES));
    message.copy(this.#coded, 0, UP_HEADER_BYTES + SIGNAL_BYTES);
    const named = this.#take(attachment, sequence);
    if (!named) drops.add('bad_manifest');
    this.#believe(now, attachment.channel, named ? this.#decode(now, attachment.channel) : 'bad');
  }

  /** Cancels every keystream that the manifest names; false if it names what cannot be. */
  #cancel(channel: Channel, manifest: Buffer): boolean {
    this.#sequences.fill(-1);
    let possible = true;
    for (let slot = 0; slot < this.#clientsPerChannel; slot += 1) {
      const entryByte = manifest[slot]!;
      if (entryByte === 0) continue;
      const attachment = channel.attachments[slot];
      const sequence = attachment ? nearestSequence(attachment.sequence, entryByte) : -1;
      if (attachment) attachment.presence.named += 1;
      if (!attachment || !this.#take(attachment, sequence)) possible = false;
    }
    if (!possible) this.#options.drops.add('bad_manifest');
    return possible;
  }

  #take(attachment: Attachment, sequence: number): boolean {
    const keystream = sequence >= 0 ? attachment.coding.at(sequence) : undefined;
    if (!keystream || !attachment.codingWindow.isFresh(sequence)) return false;
    keystream.xorInto(this.#codedWords, 0, sequence);
    this.#sequences[attachment.slot] = sequence;
    return true;
  }

  /** What is left of the round once everybody's keystream is gone: the speaker's cell, nothing, or what nobody may have put there. */
  #decode(now: Micros, channel: Channel): 'silent' | 'spoken' | 'bad' {
    const { drops } = this.#options;
    if (this.#codedWords.every((word) => word === 0)) return 'silent';
    const speaker = channel.speaker();
    const sequence = speaker ? this.#sequences[speaker.slot]! : -1;
    const key = speaker && sequence >= 0 ? speaker.cellReceive.at(sequence) : undefined;
    if (!speaker || !key?.open(this.#coded, 0, this.#geometry.mixPlain, sequence)) {
      drops.add('coding_collision');
      return 'bad';
    }
    this.#speech(now, channel, speaker);
    return 'spoken';
  }

  /** What the client heard while its call ended, when nothing came down any more, says nothing of its next call. */
  #changed(party: Party): void {
    const session = this.#parties.get(party);
    session?.announce();
    this.#redirect(party);
    if (party.hold.kind !== 'none') return;
    for (const [number, place] of party.places.entries()) if (place) place.hears = !session?.attachments[number]?.poor;
  }

  /** What waits to go down to a party goes the way of what will follow: where it moves away from nothing may arrive. */
  #redirect(party: Party): void {
    const to = this.#downOf(party);
    for (const place of party.places) {
      const from =
        place && place.line.use.kind !== 'free' && place.line.use.by === party && this.#lines.get(place.line);
      if (to && from && from !== to) from.queue.drainInto(to.queue);
    }
  }

  #downOf({ downLine }: Party): Channel | undefined {
    return downLine && this.#lines.get(downLine);
  }

  #speech(now: Micros, channel: Channel, speaker: Attachment): void {
    const { drops } = this.#options;
    const { session } = speaker;
    // Late cells of a call that is over tell of its end, when nothing came down any more.
    if (session.party.hold.kind === 'holding') this.#hearing(now, session, this.#coded[1]!);
    this.#allocation.spoke(now, session.party, channel.line);
    const circuit = session.circuits[this.#coded[0]!];
    if (!circuit?.stands) return drops.add('unknown_circuit');
    const counter = this.#coded.readUInt32BE(MIX_HEADER_BYTES);
    // The same cell over another channel, during a move: not a replay, so not a drop.
    if (!circuit.spoken.isFresh(counter)) return;
    circuit.spoken.mark(counter);
    const { rendezvousTag, id } = circuit;
    this.#mesh.queue(rendezvousTag, MESH_COMMAND.cell, id, this.#coded, MIX_HEADER_BYTES, this.#geometry.relay);
  }

  /** What a client in a call says of its places: where frames come, and where it misses media that has been sent steadily. */
  #hearing(now: Micros, { party, attachments }: Session, heard: number): void {
    for (const [number, place] of party.places.entries()) {
      const attachment = attachments[number];
      if (!place || !attachment) continue;
      const missed = (heard & (1 << (HEARD_MISSED_SHIFT + number))) !== 0;
      if (missed && place.line === party.downLine && attachment.channel.isSteady(now)) attachment.missedAt = now;
      const frames = (heard & (1 << number)) !== 0;
      place.hears = frames && now - attachment.missedAt >= MISSED_US && !attachment.poor;
    }
  }

  /** Only a round that came out even is believed about who was in it. */
  #believe(now: Micros, channel: Channel, outcome: 'silent' | 'spoken' | 'bad'): void {
    if (outcome !== 'bad') {
      for (const attachment of channel.attachments) {
        const sequence = attachment ? this.#sequences[attachment.slot]! : -1;
        if (!attachment || sequence < 0) continue;
        attachment.commitUp(sequence);
        attachment.codingWindow.mark(sequence);
        attachment.heardAt = now;
        attachment.session.heard(now, attachment);
      }
    }
    // A bad round may hide a cell of somebody who has been told to stop.
    this.#allocation.round(now, channel.line, outcome !== 'silent');
  }

  #signal(now: Micros, attachment: Attachment, sequence: number, cell: Buffer): void {
    const { drops } = this.#options;
    if (!attachment.signalWindow.isFresh(sequence)) return drops.add('replayed');
    const key = attachment.signal.at(sequence);
    if (!key?.open(cell, 0, SIGNAL_BYTES - AEAD_TAG_BYTES, sequence)) return drops.add('bad_tag');
    attachment.commitUp(sequence);
    attachment.signalWindow.mark(sequence);
    attachment.heardAt = now;
    attachment.presence.told(cell[1]!, cell[2]!, cell[3]!);
    const { session } = attachment;
    const counter = cell.readUInt32BE(4);
    if (counter <= session.signalled) return;
    session.signalled = counter;
    this.#hearDeceived(now, session, cell[0]! >> SIGNAL_DECEIVED_SHIFT);
    const wants = (cell[0]! & SIGNAL_WANT) !== 0;
    if (wants && !this.#roomFor(session)) return this.#allocation.refuse(now, session.party);
    this.#allocation.want(now, session.party, wants);
  }

  /** Whether one more call fits the link to the client's rendezvous: rates are not raised for it (WIRE.md 4). */
  #roomFor(session: Session): boolean {
    const { kind } = session.party.hold;
    if (kind === 'holding' || kind === 'waiting') return true;
    const leadsTo = this.#leadsTo(session);
    if (leadsTo === undefined) return false;
    let carried = 0;
    for (const other of this.#sessions.values()) {
      const { kind } = other.party.hold;
      if ((kind === 'holding' || kind === 'waiting') && this.#leadsTo(other) === leadsTo) carried += 1;
    }
    return carried < this.#mesh.cellsPerTick(leadsTo);
  }

  #leadsTo(session: Session): string | undefined {
    return session.leadsTo((tag) => this.#drainsSince.has(tag));
  }

  // Audit

  #badRound(now: Micros, channel: Channel, number: number, manifest: Buffer, sum: Buffer): BadRound<Attachment> {
    return {
      number,
      at: now,
      manifest: Buffer.from(manifest.subarray(0, this.#clientsPerChannel)),
      sum: Buffer.from(sum),
      clients: [...channel.attachments],
      deserted: channel.attachments.map((client, slot) => !client && now - channel.emptySince[slot]! > DESERTED_US),
      speaker: channel.speaker(),
    };
  }

  #audited(now: Micros, peer: SuperpeerPeer, message: Buffer): void {
    const { drops } = this.#options;
    if (message.length !== this.#geometry.audited) return drops.add('truncated');
    const auditor = this.#channelOf(peer, message)?.auditor;
    if (!auditor?.shown(now, message.readUInt32BE(4), message[1]!, message.subarray(AUDIT_BYTES)))
      drops.add('unknown_round');
  }

  #auditTick(now: Micros, entry: ChannelEntry, outbox: PacketRing): void {
    const step = entry.auditor.tick(now);
    if (!step) return;
    if ('kind' in step) return this.#judge(now, entry, step, outbox);
    const offset = entry.link ? this.#links.reserve(entry.link, outbox) : -1;
    if (offset < 0) return;
    outbox.bytes.writeUInt32BE(MESSAGE_KIND.audit * 0x100_0000 + entry.channel.id, offset);
    outbox.bytes.writeUInt32BE(step.ask, offset + 4);
    this.#links.send(entry.link!, outbox, AUDIT_BYTES);
  }

  #judge(now: Micros, entry: ChannelEntry, verdict: Verdict<Attachment>, outbox: PacketRing): void {
    if (verdict.kind === 'unanswered') return;
    if (verdict.kind === 'guilty') return this.#expel(entry.superpeer, verdict.reason);
    const { attachments } = entry.channel;
    const vacated = new Set<number>();
    for (const finding of verdict.findings) {
      const { client } = finding;
      const { session, slot } = client;
      if (attachments[slot] !== client) continue;
      if (finding.kind === 'counts') {
        client.commitUp(finding.sequence);
        continue;
      }
      this.#audits[finding.kind] += 1;
      if (finding.kind === 'jams') this.#refuse(session.id, now + JAMMED_US);
      else {
        this.#refuse(`${session.id} ${entry.superpeer}`, now + PARTED_US);
        if (now - client.attachedAt > SETTLED_US) this.#mark(now, entry, session);
      }
      this.#detach(now, client);
      vacated.add(slot);
    }
    this.#tellDeserted(entry, (slot) => vacated.has(slot), outbox);
  }

  #mark(now: Micros, { channel, superpeer, jury }: ChannelEntry, { id }: Session): void {
    const attached = channel.attachments.flatMap((attachment) => (attachment ? [attachment.session.id] : []));
    if (jury.mark(now, id, attached)) this.#expel(superpeer, 'marks');
  }

  #expel(superpeer: string, reason: ExpelReason): void {
    if (this.#expelled.has(superpeer)) return;
    this.#expelled.add(superpeer);
    this.#events.push({ kind: 'expelled', superpeer, reason });
    // Who loses too much is paid for what it has carried.
    if (reason !== UNSERVICEABLE) {
      this.#audits.guilty += 1;
      this.#rounds.expel(superpeer);
    }
    for (const entry of this.#channels.values()) if (entry.superpeer === superpeer) this.#abandon(entry);
  }

  /** Calls move at once, in a tick; who is attached hears no more control and goes elsewhere. */
  #abandon({ channel }: ChannelEntry): void {
    channel.line.shunned = true;
    channel.isAbandoned = true;
  }

  /** Tells the superpeer which of these slots nobody has: else it would go on putting their packets into rounds. */
  #tellDeserted({ channel, link }: ChannelEntry, among: (slot: number) => boolean, outbox: PacketRing): void {
    const isDeserted = (_client: unknown, slot: number) => !channel.attachments[slot] && among(slot);
    if (!channel.attachments.some(isDeserted)) return;
    const offset = link ? this.#links.reserve(link, outbox) : -1;
    if (offset < 0) return;
    const { bytes } = outbox;
    bytes.fill(0, offset, offset + DETACHED_BYTES);
    bytes.writeUInt32BE(MESSAGE_KIND.detached * 0x100_0000 + channel.id, offset);
    for (const slot of channel.attachments.keys()) {
      if (isDeserted(undefined, slot)) bytes[offset + 4 + (slot >> 3)]! |= 1 << (slot & 7);
    }
    this.#links.send(link!, outbox, DETACHED_BYTES);
  }

  /** Once per window: who is heard badly over one superpeer and well over another. */
  #watch(now: Micros): void {
    this.#windowTicks += 1;
    if (this.#windowTicks < HEARD_WINDOW) return;
    this.#windowTicks = 0;
    const well = new Set<Attachment>();
    for (const { attachments } of this.#sessions.values()) {
      for (const attachment of attachments) if (attachment?.presence.isWell) well.add(attachment);
    }
    for (const entry of this.#channels.values()) {
      const { channel } = entry;
      const taken = channel.attachments.filter((attachment) => attachment !== undefined);
      const mostWell = taken.filter((attachment) => well.has(attachment)).length * 2 > taken.length;
      const carried: Carried[] = [];
      for (const attachment of taken) {
        const { session, presence } = attachment;
        const otherWell = session.attachments.some((other) => other !== attachment && other && well.has(other));
        attachment.poor = otherWell && presence.isPoor;
        const place = session.place(attachment);
        if (place && session.party.hold.kind !== 'holding') place.hears = !attachment.poor;
        if (otherWell && presence.carried) carried.push(presence.carried);
        if (presence.close(channel.rounds, otherWell, mostWell)) this.#mark(now, entry, session);
      }
      channel.rounds = 0;
      if (!channel.isAbandoned && entry.service.close(carried)) this.#expel(entry.superpeer, UNSERVICEABLE);
    }
  }

  /** Attachments that the client has given up because no frame on them was ours: it does not come back over that superpeer. */
  #hearDeceived(now: Micros, session: Session, mask: number): void {
    if (mask === 0) return;
    for (const attachment of session.attachments) {
      if (!attachment || (mask & (1 << attachment.number)) === 0) continue;
      const entry = this.#channels.get(attachment.channel.id);
      // Ours are not addressed any more where the superpeer is expelled.
      if (entry?.channel !== attachment.channel || entry.channel.isAbandoned) continue;
      this.#mark(now, entry, session);
      this.#refuse(`${session.id} ${entry.superpeer}`, now + PARTED_US);
      this.#detach(now, attachment);
    }
  }

  #refuse(key: string, until: Micros): void {
    if (this.#refused.size === REFUSED_MAX) this.#refused.delete(this.#refused.keys().next().value!);
    this.#refused.set(key, until);
  }

  #isRefused(now: Micros, key: string): boolean {
    const until = this.#refused.get(key);
    if (until === undefined) return false;
    if (now >= until) this.#refused.delete(key);
    return now < until;
  }

  // Down

  #cellDown(now: Micros, tag: string, id: number, body: Buffer): void {
    const { drops } = this.#options;
    const known = this.#circuits.at(tag, id);
    if (!known) return drops.add('unknown_circuit');
    const { session, number } = known;
    const line = this.#roomFor(session) ? this.#allocation.reserve(now, session.party) : undefined;
    const channel = line && this.#lines.get(line);
    if (!channel) return drops.add('channel_busy');
    const { offset, full } = channel.queue.push();
    if (full) drops.add('queue_full');
    channel.queue.bytes.writeUInt32BE(number * 0x100_0000, offset);
    body.copy(channel.queue.bytes, offset + MIX_HEADER_BYTES, 0, this.#geometry.relay);
  }

  #sendDown(now: Micros, channel: Channel, link: Link<MixPeer>, outbox: PacketRing): void {
    const offset = this.#links.reserve(link, outbox);
    if (offset < 0) return;
    const { bytes } = outbox;
    channel.down += 1;
    const { down, queue } = channel;
    bytes.writeUInt32BE(MESSAGE_KIND.down * 0x100_0000 + channel.id, offset);
    bytes.writeUInt32BE(down, offset + 4);
    const controlAt = offset + DOWN_HEADER_BYTES;
    const addressed = channel.nextControl();
    if (addressed) {
      const { session } = addressed;
      bytes.fill(0, controlAt, controlAt + CONTROL_BYTES);
      bytes[controlAt] = session.grant;
      bytes[controlAt + 1] = session.circuitMask;
      bytes.writeUInt32BE(session.told, controlAt + 4);
      addressed.control.at(down)!.seal(bytes, controlAt, CONTROL_BYTES - AEAD_TAG_BYTES, down);
      addressed.commitDown(down);
      addressed.presence.addressed(down);
    } else this.#options.entropy(bytes.subarray(controlAt, controlAt + CONTROL_BYTES));
    const mediaAt = controlAt + CONTROL_BYTES;
    const speaker = channel.speaker();
    const front = speaker ? queue.front() : undefined;
    if (front !== undefined) {
      queue.bytes.copy(bytes, mediaAt, front, front + queue.cellBytes);
      queue.drop();
      channel.spokenDown(now);
      speaker!.cellSend.at(down)!.seal(bytes, mediaAt, this.#geometry.mixPlain, down);
    } else this.#options.entropy(bytes.subarray(mediaAt, mediaAt + this.#geometry.mix));
    this.#links.send(link, outbox, this.#geometry.down);
    if (queue.settle()) this.#options.drops.add('queue_standing');
  }

  // Leaving

  #expire(now: Micros): void {
    for (const [key, pending] of this.#pending) {
      if (now - pending.since <= ATTACH_PENDING_US) continue;
      this.#pending.delete(key);
      this.#circuits.end(pending.rendezvousTag, pending.circuit);
    }
    const over = this.#circuits.tell(now, (tag) => this.#mesh.cellsPerTick(tag) > 0);
    if (over) this.#mesh.queue(over.tag, MESH_COMMAND.destroy, over.id, Buffer.alloc(0));
    for (const [id, entry] of this.#channels) {
      const { leftAt, channel } = entry;
      if (leftAt !== undefined && (channel.isEmpty || now - leftAt > LEFT_CHANNEL_US)) this.#forget(now, id, entry);
    }
    for (const session of this.#sessions.values()) {
      this.#circuits.endSpare(now, session, this.#drainsSince);
      for (const attachment of session.attachments) {
        if (attachment && now - attachment.heardAt > CLIENT_SILENCE_US) this.#detach(now, attachment);
      }
    }
  }

  /** A link that has died: a client without a superpeer is gone with it. */
  #gone(now: Micros, link: Link<MixPeer>): void {
    const channel = this.#direct.get(link);
    if (!channel) return;
    this.#direct.delete(link);
    this.#close(now, channel);
  }

  #detach(now: Micros, attachment: Attachment): void {
    this.#leave(now, attachment);
    if (attachment.session.isEmpty) this.#end(now, attachment.session);
  }

  #leave(now: Micros, attachment: Attachment): void {
    const { session, number, channel, slot } = attachment;
    const isSpeaker = channel.speaker() === attachment;
    this.#allocation.leave(now, session.party, number);
    const to = isSpeaker ? this.#downOf(session.party) : undefined;
    if (to) channel.queue.drainInto(to.queue);
    // Whoever has the channel next is not to get what was for this one.
    else if (isSpeaker) channel.queue.clear();
    session.attachments[number] = undefined;
    session.leftAt[number] = now;
    channel.attachments[slot] = undefined;
    channel.emptySince[slot] = now;
  }

  #end(now: Micros, session: Session): void {
    this.#allocation.release(now, session.party);
    this.#allocation.want(now, session.party, false);
    this.#circuits.release(session);
    this.#sessions.delete(session.id);
    this.#parties.delete(session.party);
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
