import type { ConsensusNode, View } from '../config/consensus.ts';
import type { DropCounters } from '../core/drop.ts';
import { draw, type Entropy, type Machine, type Rate } from '../core/machine.ts';
import { CellQueue } from '../core/queue.ts';
import { type PacketRing, xorWords } from '../core/ring.ts';
import type { Micros } from '../core/units.ts';
import type { Identity, NodeKeys } from '../crypto/keys.ts';
import { ReplayWindow } from '../crypto/replay.ts';
import { type Link, Links } from '../link/links.ts';
import { OwnKeys } from '../link/own-keys.ts';
import {
  A1_BYTES,
  A2_BYTES,
  AUDIT_BYTES,
  AUDIT_TAG_BYTES,
  COUNTER_BYTES,
  DETACHED_BYTES,
  GEOMETRY,
  type Geometry,
  LEFT_CHANNEL_US,
  LINK_OVERHEAD_BYTES,
  MANIFEST_PRESENT,
  MANIFEST_SEQUENCE_MASK,
  MESSAGE_KIND,
  manifestBytes,
  QUEUE_TICKS_MAX,
  ROUND_HEADER_BYTES,
  roundBytes,
  SIGNAL_BYTES,
  SIGNAL_ENTRY_BYTES,
  SIGNAL_SLOT_NONE,
  SIGNALS_PER_ROUND,
  UP_HEADER_BYTES,
} from '../wire/constants.ts';
import { History } from './history.ts';

/**
 * A superpeer: XORs the packets of each channel's clients into one round a tick, and sends each client what the mix
 * sends down the channel.
 *
 * It is not trusted: it holds no key of any cell, and what an idle client sends is to it the same as what a calling one
 * does. It sends one ROUND per channel and one DOWN per client in every tick, whatever has arrived.
 */
interface ClientPeer {
  readonly kind: 'client';
  /** Channel and slot once the mix has given them. */
  place: { channel: SuperpeerChannel; slot: number } | undefined;
}
interface MixPeer {
  readonly kind: 'mix';
  readonly tag: string;
}
type Peer = ClientPeer | MixPeer;

/** A place in a channel: who has it, and its packets that wait for a round: s, T and B of each. */
interface Slot {
  link: Link<Peer> | undefined;
  /** s of the packets that came: a client that sends one twice must not make us repeat it to the mix. */
  window: ReplayWindow;
  readonly queue: CellQueue;
  /** The newest signal cell and its s, until it is forwarded. */
  signalSequence: number;
  readonly signal: Buffer;
}

/** A channel towards one of its two mixes; the standby one is silent until a client comes. */
interface SuperpeerChannel {
  readonly id: number;
  readonly mixTag: string;
  primary: boolean;
  /** Since when it has been other mixes': it goes on while there are clients, for a while. */
  leftAt: Micros | undefined;
  /** BOUNDED: clientsPerChannel. */
  readonly slots: Slot[];
  /** From a random start: after a restart no round has the number of one before. */
  round: number;
  readonly history: History;
  rotation: number;
  /** Downstream frames that wait for a tick. */
  readonly down: CellQueue;
  /** Ticks since the last frame of the mix. */
  silentTicks: number;
}

/** BOUNDED: clients that wait for the mix's answer to their ATTACH. */
const WAITING_MAX = 256;
/** Half a second without a frame: the mix is gone, and the clients are told. */
const STALE_TICKS = 25;
/** Of a waiting packet: s 4, T 8, then B. */
const PACKET_HEADER_BYTES = COUNTER_BYTES + AUDIT_TAG_BYTES;

export interface SuperpeerOptions {
  readonly identity: Identity;
  readonly keys: NodeKeys;
  readonly entropy: Entropy;
  readonly drops: DropCounters;
  readonly view: View;
  readonly now: Micros;
}

export class Superpeer implements Machine {
  readonly #options: SuperpeerOptions;
  readonly #geometry: Geometry;
  readonly #clientsPerChannel: number;
  readonly #own: OwnKeys;
  /** To clients, who open them and show no key, and to mixes, to which we open them. */
  readonly #links: Links<Peer>;
  /** By tag. BOUNDED: two per channel of the consensus, and its mixes. */
  readonly #mixes = new Map<string, { node: ConsensusNode; link: Link<Peer> | undefined }>();
  /** By mix and channel. BOUNDED: two per channel of the consensus, and for a while each mix that it was taken from. */
  readonly #channels = new Map<string, SuperpeerChannel>();
  /** By channel id: its mix and its standby mix. */
  #mixesOf = new Map<number, { primary: string; standby: string | undefined }>();
  /** By handle. BOUNDED: WAITING_MAX, the oldest makes room. */
  readonly #waiting = new Map<number, Link<Peer>>();
  #nextHandle = 1;
  /** Clients whose mix has forgotten them, by link: a stale frame a tick on their channel's id, until they go. BOUNDED: by the links. */
  readonly #abandoned = new Map<Link<Peer>, number>();
  readonly #cover: Buffer;

  constructor(options: SuperpeerOptions) {
    this.#options = options;
    const { params } = options.view.own;
    this.#geometry = GEOMETRY[params.profile];
    this.#clientsPerChannel = params.clientsPerChannel;
    this.#cover = Buffer.alloc(this.#geometry.down);
    this.#own = new OwnKeys(options.view.own.zone, options.identity, options.keys);
    this.#links = new Links<Peer>({
      self: this.#own,
      entropy: options.entropy,
      drops: options.drops,
      // Only clients open links to a superpeer; they show no static key.
      admit: (from) => (from ? undefined : { kind: 'client', place: undefined }),
      linksMax: 8192,
    });
    this.update(options.now, options.view);
  }

  /** Follows a newer consensus: which channels this superpeer carries, to which mixes. */
  update(now: Micros, view: View): void {
    this.#own.follow(view);
    const mine = view.own.channels.filter(({ superpeer }) => superpeer.tag === this.#own.tag);
    const mixes = new Map(
      mine.flatMap(({ mix, standby }) => (standby ? [mix, standby] : [mix])).map((mix) => [mix.tag, mix]),
    );
    const wanted = new Map<string, { id: number; tag: string; primary: boolean }>();
    for (const { id, mix, standby } of mine) {
      wanted.set(`${mix.tag}/${id}`, { id, tag: mix.tag, primary: true });
      if (standby) wanted.set(`${standby.tag}/${id}`, { id, tag: standby.tag, primary: false });
    }
    for (const [key, channel] of this.#channels) {
      if (wanted.has(key)) continue;
      const mix = view.own.nodes.find(({ tag }) => tag === channel.mixTag);
      if (mix && mine.some(({ id }) => id === channel.id)) {
        mixes.set(mix.tag, mix);
        channel.primary = false;
        channel.leftAt ??= now;
      } else this.#channels.delete(key);
    }
    for (const [tag, known] of this.#mixes) {
      const mix = mixes.get(tag);
      const { endpoint, boot } = known.node;
      if (mix && mix.endpoint === endpoint && mix.boot === boot) {
        known.node = mix;
        continue;
      }
      if (known.link) this.#links.close(known.link);
      this.#mixes.delete(tag);
      if (mix?.boot !== boot) this.#abandon(tag);
    }
    for (const [tag, mix] of mixes) {
      if (this.#mixes.has(tag)) continue;
      const known: { node: ConsensusNode; link: Link<Peer> | undefined } = { node: mix, link: undefined };
      known.link = this.#links.connect(now, { kind: 'mix', tag }, () => known.node.linkKeys, mix.endpoint);
      this.#mixes.set(tag, known);
    }
    this.#mixesOf = new Map(mine.map(({ id, mix, standby }) => [id, { primary: mix.tag, standby: standby?.tag }]));
    for (const [key, { id, tag, primary }] of wanted) {
      const known = this.#channels.get(key);
      if (known) {
        known.primary = primary;
        known.leftAt = undefined;
      } else this.#channels.set(key, this.#newChannel(id, tag, primary));
    }
  }

  /** What its files hold now. */
  rekey(keys: NodeKeys): void {
    this.#own.replace(keys);
  }

  mixesUp(): { up: number; all: number } {
    let up = 0;
    for (const { link } of this.#mixes.values()) if (link && this.#links.isUp(link)) up += 1;
    return { up, all: this.#mixes.size };
  }

  clients(): number {
    let taken = 0;
    for (const { slots } of this.#channels.values()) for (const { link } of slots) if (link) taken += 1;
    return taken;
  }

  /** A round for each channel, a frame for each of its clients and for those that its mix has forgotten. */
  rate(): Rate {
    let rounds = 0;
    let frames = this.#abandoned.size;
    for (const { mixTag, primary, slots } of this.#channels.values()) {
      const taken = slots.reduce((sum, { link }) => sum + (link ? 1 : 0), 0);
      const link = this.#mixes.get(mixTag)?.link;
      frames += taken;
      if (link && this.#links.isUp(link) && (primary || taken > 0)) rounds += 1;
    }
    const roundLength = roundBytes(this.#geometry, this.#clientsPerChannel) + LINK_OVERHEAD_BYTES;
    const bytes = rounds * roundLength + frames * (this.#geometry.down + LINK_OVERHEAD_BYTES);
    return { datagrams: rounds + frames, bytes };
  }

  tick(now: Micros, inbox: PacketRing, outbox: PacketRing): void {
    for (let i = 0; i < inbox.count; i += 1) {
      const link = this.#links.receive(now, inbox, i, outbox);
      if (link) this.#message(link, inbox, outbox);
    }
    this.#links.tick(now, outbox, (link) => this.#gone(link));
    for (const [link, id] of this.#abandoned) {
      this.#options.entropy(this.#cover);
      this.#sendFrame(link, id, this.#cover, true, outbox);
    }
    for (const [key, channel] of this.#channels) {
      const { leftAt, primary } = channel;
      if (leftAt !== undefined && now - leftAt > LEFT_CHANNEL_US) {
        this.#channels.delete(key);
        continue;
      }
      if (!primary && !channel.slots.some((slot) => slot.link)) continue;
      this.#sendRound(channel, outbox);
      this.#sendDown(channel, outbox);
      this.#sendAudited(channel, outbox);
    }
  }

  #message(link: Link<Peer>, inbox: PacketRing, outbox: PacketRing): void {
    const { drops } = this.#options;
    const { plainOffset: offset, plainLength: length } = this.#links;
    const message = inbox.bytes.subarray(offset, offset + length);
    const { peer } = link;
    if (peer.kind === 'client') {
      if (message[0] === MESSAGE_KIND.up) return this.#up(peer, inbox, offset, length);
      if (message[0] === MESSAGE_KIND.attach) return this.#attach(link, message, outbox);
    } else {
      if (message[0] === MESSAGE_KIND.down) return this.#down(peer, message);
      if (message[0] === MESSAGE_KIND.attached) return this.#attached(peer, message, outbox);
      if (message[0] === MESSAGE_KIND.detached) return this.#detached(peer, message);
      if (message[0] === MESSAGE_KIND.audit) return this.#audit(peer, message);
    }
    drops.add('unknown_kind');
  }

  #up(peer: ClientPeer, inbox: PacketRing, offset: number, length: number): void {
    const { drops } = this.#options;
    if (length !== this.#geometry.up) return drops.add('truncated');
    if (!peer.place) return drops.add('not_attached');
    const slot = peer.place.channel.slots[peer.place.slot]!;
    const sequence = inbox.bytes.readUInt32BE(offset + 4);
    if (!slot.window.isFresh(sequence)) return drops.add('replayed');
    slot.window.mark(sequence);
    const { offset: at, full } = slot.queue.push();
    if (full) drops.add('queue_full');
    const cellAt = offset + UP_HEADER_BYTES + SIGNAL_BYTES;
    inbox.bytes.copy(slot.queue.bytes, at, offset + 4, offset + 4 + PACKET_HEADER_BYTES);
    inbox.bytes.copy(slot.queue.bytes, at + PACKET_HEADER_BYTES, cellAt, cellAt + this.#geometry.mix);
    slot.signalSequence = sequence;
    inbox.bytes.copy(slot.signal, 0, offset + UP_HEADER_BYTES, offset + UP_HEADER_BYTES + SIGNAL_BYTES);
  }

  #attach(link: Link<Peer>, message: Buffer, outbox: PacketRing): void {
    const { drops } = this.#options;
    if (message.length !== 4 + A1_BYTES) return drops.add('truncated');
    const mixes = this.#mixesOf.get(message.readUInt16BE(2));
    const mixTag = message[1] === 0 ? mixes?.primary : mixes?.standby;
    const mixLink = mixTag === undefined ? undefined : this.#mixes.get(mixTag)?.link;
    const offset = mixLink ? this.#links.reserve(mixLink, outbox) : -1;
    if (offset < 0) return drops.add('not_attached');
    const handle = this.#nextHandle;
    this.#nextHandle = handle === 0xffff_ffff ? 1 : handle + 1;
    if (this.#waiting.size === WAITING_MAX) this.#waiting.delete(this.#waiting.keys().next().value!);
    this.#waiting.set(handle, link);
    message.copy(outbox.bytes, offset, 0, 4);
    outbox.bytes[offset + 1] = 0;
    outbox.bytes.writeUInt32BE(handle, offset + 4);
    message.copy(outbox.bytes, offset + 8, 4);
    this.#links.send(mixLink!, outbox, 8 + A1_BYTES);
  }

  #attached(peer: MixPeer, message: Buffer, outbox: PacketRing): void {
    const { drops } = this.#options;
    if (message.length !== 8 + A2_BYTES) return drops.add('truncated');
    const channel = this.#channels.get(`${peer.tag}/${message.readUInt16BE(2)}`);
    const slotIndex = message[1]!;
    const handle = message.readUInt32BE(4);
    const link = this.#waiting.get(handle);
    this.#waiting.delete(handle);
    const slot = channel?.slots[slotIndex];
    const offset = slot && link ? this.#links.reserve(link, outbox) : -1;
    if (!slot || !link || link.peer.kind !== 'client' || offset < 0) return drops.add('not_attached');
    // Who is there already has got another half-circuit and goes on sending.
    if (slot.link !== link) this.#place(link, link.peer, channel!, slotIndex);
    message.copy(outbox.bytes, offset, 0, 4);
    message.copy(outbox.bytes, offset + 4, 8);
    this.#links.send(link, outbox, 4 + A2_BYTES);
  }

  #place(link: Link<Peer>, peer: ClientPeer, channel: SuperpeerChannel, index: number): void {
    const slot = channel.slots[index]!;
    this.#vacate(peer);
    if (slot.link && slot.link.peer.kind === 'client') this.#vacate(slot.link.peer);
    this.#abandoned.delete(link);
    slot.link = link;
    slot.window = new ReplayWindow();
    peer.place = { channel, slot: index };
  }

  /** Clients that the mix does not have: they are in no round any more. */
  #detached(peer: MixPeer, message: Buffer): void {
    const { drops } = this.#options;
    if (message.length !== DETACHED_BYTES) return drops.add('truncated');
    const channel = this.#channels.get(`${peer.tag}/${message.readUInt16BE(2)}`);
    if (!channel) return drops.add('not_attached');
    for (const [index, { link }] of channel.slots.entries()) {
      const named = (message[4 + (index >> 3)]! & (1 << (index & 7))) !== 0;
      if (named && link?.peer.kind === 'client') this.#vacate(link.peer);
    }
  }

  #audit(peer: MixPeer, message: Buffer): void {
    const { drops } = this.#options;
    if (message.length !== AUDIT_BYTES) return drops.add('truncated');
    const channel = this.#channels.get(`${peer.tag}/${message.readUInt16BE(2)}`);
    if (!channel) return drops.add('not_attached');
    if (!channel.history.show(message.readUInt32BE(4))) drops.add('unknown_round');
  }

  #down(peer: MixPeer, message: Buffer): void {
    const { drops } = this.#options;
    if (message.length !== this.#geometry.down) return drops.add('truncated');
    const channel = this.#channels.get(`${peer.tag}/${message.readUInt16BE(2)}`);
    if (!channel) return drops.add('not_attached');
    channel.silentTicks = 0;
    const { offset, full } = channel.down.push();
    if (full) drops.add('queue_full');
    message.copy(channel.down.bytes, offset);
  }

  #sendRound(channel: SuperpeerChannel, outbox: PacketRing): void {
    const link = this.#mixes.get(channel.mixTag)?.link;
    const offset = link ? this.#links.reserve(link, outbox) : -1;
    const length = roundBytes(this.#geometry, this.#clientsPerChannel);
    const cellWords = this.#geometry.mix / 4;
    const { bytes, words } = outbox;
    if (offset >= 0) {
      bytes.fill(0, offset, offset + length);
      bytes.writeUInt32BE(MESSAGE_KIND.round * 0x100_0000 + channel.id, offset);
      bytes.writeUInt32BE(channel.round, offset + 4);
      this.#writeSignals(channel, bytes, offset + ROUND_HEADER_BYTES + manifestBytes(this.#clientsPerChannel));
    }
    const { history, round } = channel;
    channel.round = (round + 1) >>> 0;
    history.begin(round);
    const codedWord = (offset + length) / 4 - cellWords;
    for (const [index, slot] of channel.slots.entries()) {
      const { queue } = slot;
      const front = queue.front();
      if (front !== undefined) {
        history.keep(round, index, queue.bytes, front);
        if (offset >= 0) {
          const sequence = queue.bytes.readUInt32BE(front);
          bytes[offset + ROUND_HEADER_BYTES + index] = MANIFEST_PRESENT | (sequence & MANIFEST_SEQUENCE_MASK);
          xorWords(words, codedWord, queue.words, (front + PACKET_HEADER_BYTES) / 4, cellWords);
        }
        queue.drop();
      }
      if (queue.settle()) this.#options.drops.add('queue_standing');
    }
    if (offset >= 0) this.#links.send(link!, outbox, length);
  }

  /** The next packet of the round that is audited, if one is. */
  #sendAudited({ id, mixTag, history }: SuperpeerChannel, outbox: PacketRing): void {
    const link = this.#mixes.get(mixTag)?.link;
    const offset = link ? this.#links.reserve(link, outbox) : -1;
    const slot = offset < 0 ? -1 : history.next();
    if (slot < 0) return;
    outbox.bytes.writeUInt32BE(MESSAGE_KIND.audited * 0x100_0000 + slot * 0x1_0000 + id, offset);
    outbox.bytes.writeUInt32BE(history.shown, offset + 4);
    history.copy(slot, outbox.bytes, offset + 8);
    this.#links.send(link!, outbox, this.#geometry.audited);
  }

  /** Two clients' newest signals, in a rotation that looks at nothing but who is attached. */
  #writeSignals(channel: SuperpeerChannel, bytes: Buffer, at: number): void {
    let written = 0;
    for (let step = 0; step < channel.slots.length && written < SIGNALS_PER_ROUND; step += 1) {
      channel.rotation = (channel.rotation + 1) % channel.slots.length;
      const slot = channel.slots[channel.rotation]!;
      if (!slot.link || slot.signalSequence < 0) continue;
      const entry = at + written * SIGNAL_ENTRY_BYTES;
      bytes[entry] = channel.rotation;
      bytes.writeUInt32BE(slot.signalSequence, entry + 4);
      slot.signal.copy(bytes, entry + 8);
      slot.signalSequence = -1;
      written += 1;
    }
    for (; written < SIGNALS_PER_ROUND; written += 1) bytes[at + written * SIGNAL_ENTRY_BYTES] = SIGNAL_SLOT_NONE;
  }

  #sendDown(channel: SuperpeerChannel, outbox: PacketRing): void {
    const length = this.#geometry.down;
    channel.silentTicks += 1;
    const stale = channel.silentTicks > STALE_TICKS;
    const front = channel.down.front();
    const frame = front === undefined ? this.#cover : channel.down.bytes.subarray(front, front + length);
    // Nothing came from the mix in time: the clients' links carry a frame all the same, one that opens for nobody.
    if (front === undefined) this.#options.entropy(this.#cover);
    for (const { link } of channel.slots) if (link) this.#sendFrame(link, channel.id, frame, stale, outbox);
    if (front !== undefined) channel.down.drop();
    if (channel.down.settle()) this.#options.drops.add('queue_standing');
  }

  #sendFrame(link: Link<Peer>, id: number, frame: Buffer, stale: boolean, outbox: PacketRing): void {
    const offset = this.#links.reserve(link, outbox);
    if (offset < 0) return;
    frame.copy(outbox.bytes, offset);
    outbox.bytes.writeUInt32BE(MESSAGE_KIND.down * 0x100_0000 + (stale ? 0x1_0000 : 0) + id, offset);
    this.#links.send(link, outbox, this.#geometry.down);
  }

  #gone(link: Link<Peer>): void {
    this.#abandoned.delete(link);
    if (link.peer.kind === 'client') this.#vacate(link.peer);
  }

  /** The mix has restarted and knows none of these clients: in its rounds they would only be in the way. */
  #abandon(mixTag: string): void {
    for (const channel of this.#channels.values()) {
      if (channel.mixTag !== mixTag) continue;
      channel.down.clear();
      for (const { link } of channel.slots) {
        if (link?.peer.kind !== 'client') continue;
        this.#vacate(link.peer);
        this.#abandoned.set(link, channel.id);
      }
    }
  }

  #vacate(peer: ClientPeer): void {
    if (!peer.place) return;
    const slot = peer.place.channel.slots[peer.place.slot]!;
    slot.link = undefined;
    slot.queue.clear();
    slot.signalSequence = -1;
    peer.place = undefined;
  }

  #newChannel(id: number, mixTag: string, primary: boolean): SuperpeerChannel {
    const slots = Array.from(
      { length: this.#clientsPerChannel },
      (): Slot => ({
        link: undefined,
        window: new ReplayWindow(),
        queue: new CellQueue(PACKET_HEADER_BYTES + this.#geometry.mix, QUEUE_TICKS_MAX),
        signalSequence: -1,
        signal: Buffer.alloc(SIGNAL_BYTES),
      }),
    );
    const down = new CellQueue(this.#geometry.down, QUEUE_TICKS_MAX);
    const round = draw(this.#options.entropy, 4).readUInt32BE();
    const history = new History(this.#clientsPerChannel, PACKET_HEADER_BYTES + this.#geometry.mix);
    return { id, mixTag, primary, leftAt: undefined, slots, round, history, rotation: 0, down, silentTicks: 0 };
  }
}
