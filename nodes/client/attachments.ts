import { type Consensus, type ConsensusNode, keyAt } from '../config/consensus.ts';

import { staying } from '../config/contact.ts';
import type { DropCounters } from '../core/drop.ts';
import { draw, drawBelow, type Entropy } from '../core/machine.ts';
import type { PacketRing } from '../core/ring.ts';
import { MILLISECOND_US, type Micros, SECOND_US } from '../core/units.ts';
import { AEAD_TAG_BYTES, Aead } from '../crypto/aead.ts';
import { Generations } from '../crypto/generations.ts';
import { type Identity, KEY_BYTES, wipe } from '../crypto/keys.ts';
import { CodingKeystream } from '../crypto/keystream.ts';
import { Handshake, type TransportKeys } from '../crypto/noise.ts';
import { ReplayWindow } from '../crypto/replay.ts';
import type { Link, Links } from '../link/links.ts';
import {
  A1_BYTES,
  A2_BYTES,
  ATTACHMENTS_MAX,
  AUDIT_TAG_BYTES,
  CIRCUITS_MAX,
  CONTROL_BYTES,
  CONTROL_WINDOW_BITS,
  COUNTER_BYTES,
  DOWN_HEADER_BYTES,
  type Geometry,
  GRANT_REFUSED,
  HEARD_MISSED_SHIFT,
  HEARD_WINDOW,
  MESSAGE_KIND,
  MIX_HEADER_BYTES,
  PROLOGUE,
  SESSION_BYTES,
  SIGNAL_BYTES,
  SIGNAL_DECEIVED_SHIFT,
  SIGNAL_WANT,
  TICK_US,
  UP_HEADER_BYTES,
} from '../wire/constants.ts';

/**
 * A client's session with one mix: up to k attachments, each over another superpeer, and the half-circuits that came
 * with them (WIRE.md 2, 3).
 *
 * Property: an attachment sends one UP of one size per tick from ATTACHED on; what the client does with its calls decides
 * what is inside, never when, how much, or whether an attachment or half-circuit is made anew.
 */
const LINK_WAIT_US = 3 * SECOND_US;
const ATTACH_WAIT_US = 2 * SECOND_US;
/** Pause before another channel is tried. */
const RETRY_SPREAD_US = SECOND_US;
/** An attachment that has died is made anew after 1 to 30 s, so that the clients of a dead superpeer don't come in one wave. */
const REJOIN_US = { least: SECOND_US, spread: 29 * SECOND_US };
/** Joining staggers the attachments: the first is there soonest. */
const STAGGER_US = 100 * MILLISECOND_US;
/** A circuit that is gone, or whose rendezvous drains, is replaced within this time, one at a time. */
const RENEW_SPREAD_US = 3 * SECOND_US;
/** A superpeer that drains, or a channel that is other mixes' now, is left within this time, one attachment at a time: not by all its clients at once. */
const DRAIN_SPREAD_US = 10 * SECOND_US;
/** An attachment that is left stands so long beside its heir: a call on it has the time to move, and another to make room. */
const LEAVE_OVERLAP_US = 4 * SECOND_US;
const CONTROL_SILENCE_US = 3 * SECOND_US;
/** The superpeer sends in every tick: without a frame for this long it is gone, or we have been away. */
const DOWN_SILENCE_US = 2 * SECOND_US;
/** Without any attachment for this long the mix is given up. */
const FORLORN_US = 5 * SECOND_US;
/** Without a DOWN for this long the mix is told that we hear nothing there. */
const DEAF_US = 2.5 * TICK_US;
/** Media is missed while it was there so recently. */
const MEDIA_RECENT_US = SECOND_US;

/** What a link of the client leads to. */
export interface SuperpeerPeer {
  readonly attachments: Attachments;
  readonly number: number;
}

type State =
  /** A number that no attachment is to have, but to be the heir of one that is left. */
  | { readonly kind: 'spare' }
  | { readonly kind: 'waiting'; readonly until: Micros }
  /** Handshake with the superpeer under way. */
  | {
      readonly kind: 'linking';
      readonly place: PlaceChoice;
      readonly link: Link<SuperpeerPeer>;
      readonly since: Micros;
    }
  /** ATTACH sent, the mix's and the rendezvous' answer expected. */
  | {
      readonly kind: 'attaching';
      readonly place: PlaceChoice;
      readonly link: Link<SuperpeerPeer>;
      readonly since: Micros;
      readonly asked: Asked;
    }
  /** Sending. */
  | { readonly kind: 'attached'; readonly place: PlaceChoice; readonly link: Link<SuperpeerPeer>; readonly keys: Keys };

/** Where an attachment goes: a channel and over whom; channel 0 is the mix itself. */
interface PlaceChoice {
  readonly channel: number;
  readonly via: ConsensusNode;
}

interface Keys {
  readonly coding: Generations<CodingKeystream>;
  readonly cellSend: Generations<Aead>;
  readonly signal: Generations<Aead>;
  readonly audit: Generations<Aead>;
  readonly cellReceive: Generations<Aead>;
  readonly control: Generations<Aead>;
  readonly downWindow: ReplayWindow;
  sequence: number;
  controlHeardAt: Micros;
  downHeardAt: Micros;
  mediaHeardAt: Micros;
  /** The superpeer says that the mix is silent. */
  stale: boolean;
  /** DOWN of this and of the last HEARD_WINDOW ticks. */
  counted: number;
  heard: number;
  countedTicks: number;
  /** Control cells that opened in the present window of d, and in the last that is over. */
  readonly controls: { window: number; opened: number; toldWindow: number; toldOpened: number };
  /** When the attachment is left, since its superpeer drains or its channel has other mixes. */
  leaveAt: Micros | undefined;
}

/** An attachment is left when its heir, over another superpeer, has stood beside it for a while. */
interface Succession {
  readonly number: number;
  readonly heir: number;
  /** When the heir was attached. */
  since: Micros | undefined;
}

/** A circuit for an attachment that goes on as it is: asked for, and not answered yet. */
interface Renewal {
  /** Of the circuit. */
  readonly number: number;
  /** Of the attachment that carries the question. */
  readonly over: number;
  readonly since: Micros;
  readonly asked: Asked;
}

/** What has gone into an ATTACH and the answer to it is read with. */
interface Asked {
  readonly mix: Handshake;
  readonly circuit: Handshake;
  readonly rendezvousTag: string;
  /** s of the first packet. */
  readonly first: number;
}

interface Circuit {
  readonly rendezvousTag: string;
  readonly send: Aead;
  readonly receive: Aead;
  readonly window: ReplayWindow;
  counter: number;
  stands: boolean;
}

export interface AttachmentsOptions {
  readonly identity: Identity;
  readonly entropy: Entropy;
  readonly drops: DropCounters;
  readonly geometry: Geometry;
  readonly links: Links<SuperpeerPeer>;
  readonly mix: ConsensusNode;
  readonly consensus: () => Consensus;
  /** The own zone's, the first choice first. */
  readonly rendezvous: () => readonly ConsensusNode[];
  /** A relay cell of a rendezvous, opened: command, call, zero, body. */
  readonly relay: (now: Micros, rendezvousTag: string, plain: Buffer) => void;
}

export class Attachments {
  readonly #options: AttachmentsOptions;
  readonly mix: ConsensusNode;
  readonly #session: Buffer;
  /** By number: attachmentsPerClient that are not spare, and one more during a succession. BOUNDED: ATTACHMENTS_MAX. */
  readonly #states: State[];
  /** By number: n and n + ATTACHMENTS_MAX have come with attachment n. BOUNDED: CIRCUITS_MAX. */
  readonly #circuits: (Circuit | undefined)[] = [];
  /** By attachment: the number of its circuit that was made last. BOUNDED: ATTACHMENTS_MAX. */
  readonly #present: (number | undefined)[] = [];
  /** By attachment: when its circuit, which has to be replaced, is made anew. BOUNDED: ATTACHMENTS_MAX. */
  readonly #renewAt: (Micros | undefined)[] = [];
  #renewal: Renewal | undefined;
  #succession: Succession | undefined;
  readonly #scratch = Buffer.alloc(AEAD_TAG_BYTES);
  readonly #relayCell: Buffer;
  readonly #mixPlain: Buffer;
  #aliveAt: Micros;
  /** The superpeer over which the last attempt failed or an attachment died: others are tried before it. */
  #failed: string | undefined;
  #grant = 0;
  #told = -1;
  #signalCounter = 0;
  /** Bit i: attachment i was given up for frames that did not open, and has not been made anew. */
  #deceived = 0;

  constructor(now: Micros, options: AttachmentsOptions) {
    this.#options = options;
    this.mix = options.mix;
    this.#session = draw(this.#options.entropy, SESSION_BYTES);
    this.#aliveAt = now;
    this.#relayCell = Buffer.alloc(options.geometry.relay);
    this.#mixPlain = Buffer.alloc(options.geometry.mixPlain);
    const { attachmentsPerClient } = options.consensus().params;
    this.#states = Array.from({ length: ATTACHMENTS_MAX }, (_value, number): State => {
      if (number >= attachmentsPerClient) return { kind: 'spare' };
      return { kind: 'waiting', until: now + number * STAGGER_US };
    });
  }

  /** Attachments that send. */
  get attached(): number {
    return this.#states.filter(({ kind }) => kind === 'attached').length;
  }

  /** As many attachments as there are superpeers for. */
  get complete(): boolean {
    return this.attached > 0 && !this.#states.some(({ kind }) => kind === 'linking' || kind === 'attaching');
  }

  get granted(): boolean {
    return (this.#grant & ~GRANT_REFUSED) !== 0 && this.attached > 0;
  }

  get refused(): boolean {
    return (this.#grant & GRANT_REFUSED) !== 0;
  }

  /** Whether relay cells reach that rendezvous. */
  reaches(rendezvousTag: string): boolean {
    return this.#circuitTo(rendezvousTag) >= 0;
  }

  /** The mix is gone: all superpeers say so, or there has been nobody to say anything. */
  lost(now: Micros): boolean {
    let attached = 0;
    for (const state of this.#states) {
      if (state.kind !== 'attached') continue;
      if (!state.keys.stale) return false;
      attached += 1;
    }
    return attached > 0 || now - this.#aliveAt > FORLORN_US;
  }

  /** Mixes that serve the channels we are on, but for ours. */
  partners(): ConsensusNode[] {
    const partners = new Map<string, ConsensusNode>();
    for (const { mix, standby } of this.#options.consensus().channels) {
      if (mix.tag === this.mix.tag && standby) partners.set(standby.tag, standby);
      if (standby?.tag === this.mix.tag) partners.set(mix.tag, mix);
    }
    return [...partners.values()].filter(({ draining }) => !draining);
  }

  /** Ends every attachment: nothing more is sent. */
  close(): void {
    for (const state of this.#states) if ('link' in state) this.#options.links.close(state.link);
    this.#states.fill({ kind: 'spare' });
  }

  // Joining

  tick(now: Micros, outbox: PacketRing): void {
    for (const number of this.#states.keys()) this.#advance(now, number, outbox);
    if (this.attached > 0) this.#aliveAt = now;
    this.#succeed(now);
    this.#renew(now, outbox);
  }

  #advance(now: Micros, number: number, outbox: PacketRing): void {
    const state = this.#states[number]!;
    switch (state.kind) {
      case 'spare':
        return;
      case 'waiting':
        if (now >= state.until) this.#link(now, number);
        return;
      case 'linking':
        if (this.#options.links.isUp(state.link)) this.#attach(now, number, state.place, state.link, outbox);
        else if (now - state.since > LINK_WAIT_US) this.#retry(now, number);
        return;
      case 'attaching':
        if (now - state.since > ATTACH_WAIT_US) this.#retry(now, number);
        return;
      case 'attached':
        this.#count(state.keys);
        if (now - state.keys.controlHeardAt > CONTROL_SILENCE_US || now - state.keys.downHeardAt > DOWN_SILENCE_US)
          this.#died(now, number);
        return;
    }
  }

  /**
   * Channels of our mix over superpeers that no other attachment uses and that don't drain; the mix itself where there
   * are no superpeers. A draining superpeer is better than none at all.
   */
  #choices(): PlaceChoice[] {
    const { channels, params } = this.#options.consensus();
    const { tag } = this.mix;
    const used = new Set(this.#states.map((state) => ('place' in state ? state.place.via.tag : '')));
    if (channels.length === 0 && params.directClients > 0) {
      return used.has(tag) ? [] : [{ channel: 0, via: this.mix }];
    }
    const ours = channels.filter(
      ({ mix, standby, superpeer }) => !used.has(superpeer.tag) && (mix.tag === tag || standby?.tag === tag),
    );
    const alive = ours.filter(({ superpeer }) => superpeer.tag !== this.#failed);
    const open = (alive.length > 0 ? alive : ours).filter(({ superpeer }) => !superpeer.draining);
    const choices = open.length > 0 || this.attached > 0 ? open : ours;
    return choices.map(({ id, superpeer }): PlaceChoice => ({ channel: id, via: superpeer }));
  }

  /** Whether our mix stands by for that channel now: its own mix may have gone since it was chosen. */
  #standsBy(channel: number): boolean {
    const listed = this.#options.consensus().channels.find(({ id }) => id === channel);
    return listed !== undefined && listed.mix.tag !== this.mix.tag;
  }

  #link(now: Micros, number: number): void {
    const { links } = this.#options;
    const choices = this.#choices();
    const place = choices[drawBelow(this.#options.entropy, choices.length)];
    const peer = { attachments: this, number };
    const link = place && links.connect(now, peer, () => this.#listed(place.via).linkKeys, place.via.endpoint);
    if (place && link) this.#states[number] = { kind: 'linking', place, link, since: now };
    else this.#states[number] = { kind: 'waiting', until: now + RETRY_SPREAD_US };
  }

  #retry(now: Micros, number: number): void {
    const state = this.#states[number]!;
    if ('link' in state) {
      this.#options.links.close(state.link);
      this.#failed = state.place.via.tag;
    }
    // Of the two of a succession the other one stays.
    if (this.#succession?.number === number || this.#succession?.heir === number) return this.#spare(number);
    this.#states[number] = { kind: 'waiting', until: now + this.#spread(RETRY_SPREAD_US) };
  }

  #spare(number: number): void {
    this.#states[number] = { kind: 'spare' };
    this.#present[number] = undefined;
    this.#renewAt[number] = undefined;
    this.#succession = undefined;
  }

  /** The pause is drawn the same way in a call or not; only a client that is cut off from everybody hurries, with all. */
  #died(now: Micros, number: number): void {
    const state = this.#states[number]!;
    // Frames came, from a superpeer that says its mix is there, and none was the mix's.
    if (state.kind === 'attached' && state.keys.heard >= HEARD_WINDOW / 2 && !state.keys.stale) {
      if (now - state.keys.downHeardAt < DEAF_US) this.#deceived |= 1 << number;
    }
    this.#retry(now, number);
    if (this.attached > 0) {
      if (this.#states[number]!.kind === 'spare') return;
      this.#states[number] = { kind: 'waiting', until: now + REJOIN_US.least + this.#spread(REJOIN_US.spread) };
      return;
    }
    for (const [other, state] of this.#states.entries()) if (state.kind === 'waiting') this.#retry(now, other);
  }

  #attach(now: Micros, number: number, place: PlaceChoice, link: Link<SuperpeerPeer>, outbox: PacketRing): void {
    const asked = this.#ask(now, number, place, link, outbox);
    if (!asked) return this.#retry(now, number);
    this.#states[number] = { kind: 'attaching', place, link, since: now, asked };
  }

  /** Sends ATTACH for an attachment and its circuit, or for a circuit `alone` of that number. */
  #ask(
    now: Micros,
    number: number,
    place: PlaceChoice,
    link: Link<SuperpeerPeer>,
    outbox: PacketRing,
    alone?: number,
  ): Asked | undefined {
    const { identity, links } = this.#options;
    const rendezvous = this.#rendezvousFor(number);
    const offset = rendezvous ? links.reserve(link, outbox) : -1;
    if (!rendezvous || offset < 0) return undefined;
    const circuit = new Handshake({
      pattern: 'IK',
      initiator: true,
      prologue: PROLOGUE.circuit,
      local: identity.endToEnd,
      remote: keyAt(now, rendezvous.circuitKeys),
    });
    const mix = new Handshake({
      pattern: 'NK',
      initiator: true,
      prologue: PROLOGUE.attach,
      remote: keyAt(now, this.#listed(this.mix).circuitKeys),
    });
    // Half of the range, so that a life of ticks never reaches the end of 32 bits.
    const first = draw(this.#options.entropy, 4).readUInt32BE(0) >>> 1;
    const c1 = circuit.write(new Uint8Array(0), draw(this.#options.entropy, KEY_BYTES))!;
    const head = Buffer.alloc(4);
    head[0] = alone ?? number;
    head[1] = alone === undefined ? 0 : 1;
    const firstBytes = Buffer.alloc(COUNTER_BYTES);
    firstBytes.writeUInt32BE(first);
    const payload = Buffer.concat([this.#session, head, Buffer.from(rendezvous.tag, 'hex'), firstBytes, c1]);
    const a1 = mix.write(payload, draw(this.#options.entropy, KEY_BYTES))!;
    outbox.bytes.writeUInt32BE(MESSAGE_KIND.attach * 0x100_0000 + place.channel, offset);
    outbox.bytes[offset + 1] = this.#standsBy(place.channel) ? 1 : 0;
    a1.copy(outbox.bytes, offset + 4);
    links.send(link, outbox, 4 + A1_BYTES);
    return { mix, circuit, rendezvousTag: rendezvous.tag, first };
  }

  /** The node as it is now: in the life of a session its keys change. */
  #listed(node: ConsensusNode): ConsensusNode {
    return this.#options.consensus().nodes.find(({ tag }) => tag === node.tag) ?? node;
  }

  /** The first or second choice; one that drains only where there is no other. */
  #rendezvousFor(number: number): ConsensusNode | undefined {
    const choices = staying(this.#options.rendezvous());
    return choices[number % 2] ?? choices[0];
  }

  /**
   * Makes a circuit anew that is gone or leads to a rendezvous that is no longer ours, and an attachment that is to be left
   * while there is another: one at a time, and the same whether a call is on it or not.
   */
  #renew(now: Micros, outbox: PacketRing): void {
    if (this.#states.some(({ kind }) => kind === 'linking' || kind === 'attaching')) return;
    if (this.#renewal && now - this.#renewal.since <= ATTACH_WAIT_US) return;
    this.#renewal = undefined;
    const made = [...this.#states.keys()].filter(
      (number) => this.#present[number] !== undefined && this.#needs(number),
    );
    const anyLost = made.some((number) => this.#isLost(number));
    for (const number of made) {
      // Where callers look first there is always one of the two while circuits change places.
      if (!(anyLost ? this.#isLost(number) : this.#isMisplaced(number))) this.#renewAt[number] = undefined;
      else this.#renewAt[number] ??= now + this.#spread(RENEW_SPREAD_US);
      if (now >= (this.#renewAt[number] ?? Infinity)) return this.#askCircuit(now, number, outbox);
    }
    for (const [number, state] of this.#states.entries()) {
      if (state.kind !== 'attached') continue;
      const { keys } = state;
      if (!this.#drains(state.place) || this.#choices().length === 0) keys.leaveAt = undefined;
      else keys.leaveAt ??= now + this.#spread(DRAIN_SPREAD_US);
      if (this.#succession || now < (keys.leaveAt ?? Infinity)) continue;
      keys.leaveAt = undefined;
      const heir = this.#heirOf(number);
      if (heir === undefined) this.#options.links.close(state.link);
      else this.#succession = { number, heir, since: undefined };
      this.#states[heir ?? number] = { kind: 'waiting', until: now };
      return;
    }
  }

  /** A spare number, at best one whose circuit leads to the same choice of rendezvous; undefined when all are in use. */
  #heirOf(number: number): number | undefined {
    const spare = [...this.#states.keys()].filter((candidate) => this.#states[candidate]!.kind === 'spare');
    return spare.find((candidate) => candidate % 2 === number % 2) ?? spare[0];
  }

  #succeed(now: Micros): void {
    const succession = this.#succession;
    if (!succession || this.#states[succession.heir]!.kind !== 'attached') return;
    succession.since ??= now;
    if (now - succession.since <= LEAVE_OVERLAP_US) return;
    const left = this.#states[succession.number]!;
    if ('link' in left) this.#options.links.close(left.link);
    this.#spare(succession.number);
  }

  /** Whether the circuit of an attachment is missed: that of one that has died, only while no other leads there. */
  #needs(number: number): boolean {
    if (this.#states[number]!.kind === 'attached') return true;
    const rendezvous = this.#rendezvousFor(number);
    return !rendezvous || this.#staying(rendezvous.tag) < 0;
  }

  /** Whether the circuit of an attachment does not stand, or will not for long while there is another rendezvous. */
  #isLost(number: number): boolean {
    const circuit = this.#circuits[this.#present[number]!];
    if (!circuit?.stands) return true;
    const { nodes } = this.#options.consensus();
    const rendezvous = nodes.find(({ tag }) => tag === circuit.rendezvousTag);
    return !rendezvous || (rendezvous.draining && this.#isMisplaced(number));
  }

  #isMisplaced(number: number): boolean {
    return this.#circuits[this.#present[number]!]?.rendezvousTag !== this.#rendezvousFor(number)?.tag;
  }

  /**
   * The new one has the other of the attachment's two numbers, if that does not lead there already: the one before stays
   * for a while. A circuit is made over its own attachment, or over another one while it has none.
   */
  #askCircuit(now: Micros, number: number, outbox: PacketRing): void {
    this.#renewAt[number] = undefined;
    const own = this.#states[number]!.kind === 'attached';
    const over = own ? number : this.#states.findIndex(({ kind }) => kind === 'attached');
    const state = this.#states[over];
    if (state?.kind !== 'attached') return;
    const other = (this.#present[number]! + ATTACHMENTS_MAX) % CIRCUITS_MAX;
    const known = this.#circuits[other];
    if (known?.stands && known.rendezvousTag === this.#rendezvousFor(number)?.tag) {
      this.#present[number] = other;
      return;
    }
    const asked = this.#ask(now, number, state.place, state.link, outbox, other);
    if (asked) this.#renewal = { number: other, over, since: now, asked };
  }

  /** Its superpeer drains, or its channel is other mixes' now. */
  #drains({ via, channel }: PlaceChoice): boolean {
    const { nodes, channels } = this.#options.consensus();
    if (nodes.some(({ tag, role, draining }) => tag === via.tag && role === 'superpeer' && draining)) return true;
    const listed = channels.find(({ id, superpeer }) => id === channel && superpeer.tag === via.tag);
    return listed !== undefined && listed.mix.tag !== this.mix.tag && listed.standby?.tag !== this.mix.tag;
  }

  // Down

  message(now: Micros, number: number, message: Buffer): void {
    const { drops, geometry } = this.#options;
    const state = this.#states[number]!;
    if (message[0] === MESSAGE_KIND.attached) {
      if (message.length !== 4 + A2_BYTES) return drops.add('truncated');
      if (state.kind === 'attaching') return this.#attached(now, number, state, message.subarray(4));
      if (state.kind === 'attached') return this.#renewed(number, message.subarray(4));
      return drops.add('not_attached');
    }
    if (message[0] !== MESSAGE_KIND.down) return drops.add('unknown_kind');
    if (message.length !== geometry.down) return drops.add('truncated');
    if (state.kind === 'attached') this.#down(now, state.place.channel, state.keys, message);
  }

  #attached(now: Micros, number: number, state: Extract<State, { kind: 'attaching' }>, a2: Buffer): void {
    const { place, link, asked } = state;
    const down = this.#answered(asked, number, a2);
    if (down === undefined) return this.#retry(now, number);
    const keys = this.#keys(now, asked.first, down, asked.mix.split());
    this.#states[number] = { kind: 'attached', place, link, keys };
    this.#deceived &= ~(1 << number);
  }

  /** Takes the circuit of that number into use; d of the first DOWN, or undefined if the answer does not open. */
  #answered({ mix, circuit, rendezvousTag }: Asked, number: number, a2: Buffer): number | undefined {
    const payload = mix.read(a2);
    if (!payload || !circuit.read(payload.subarray(COUNTER_BYTES))) {
      this.#options.drops.add('bad_handshake');
      return undefined;
    }
    const { send, receive } = circuit.split();
    this.#circuits[number] = {
      rendezvousTag,
      send: new Aead(send),
      receive: new Aead(receive),
      window: new ReplayWindow(),
      // Goes on from the circuit before: cells of that one may reach the mix later than this one's first.
      counter: this.#circuits[number]?.counter ?? 0,
      stands: true,
    };
    this.#present[number % ATTACHMENTS_MAX] = number;
    wipe(send);
    wipe(receive);
    return payload.readUInt32BE(0);
  }

  #renewed(over: number, a2: Buffer): void {
    const renewal = this.#renewal;
    if (renewal?.over !== over) return this.#options.drops.add('not_attached');
    this.#answered(renewal.asked, renewal.number, a2);
    this.#renewal = undefined;
  }

  /** Control first, then media; what does not open is for somebody else or nobody. */
  #down(now: Micros, channel: number, keys: Keys, message: Buffer): void {
    const down = message.readUInt32BE(4);
    if (message.readUInt16BE(2) !== channel || !keys.downWindow.isFresh(down)) return;
    keys.downHeardAt = now;
    keys.counted += 1;
    keys.stale = message[1] === 1;
    const control = message.subarray(DOWN_HEADER_BYTES, DOWN_HEADER_BYTES + CONTROL_BYTES);
    let ours = false;
    if (keys.control.at(down)?.open(control, 0, CONTROL_BYTES - AEAD_TAG_BYTES, down)) {
      ours = true;
      keys.controlHeardAt = now;
      countControl(keys, down);
      this.#hear(control);
    }
    const { geometry } = this.#options;
    const media = message.subarray(DOWN_HEADER_BYTES + CONTROL_BYTES);
    if (keys.cellReceive.at(down)?.open(media, 0, geometry.mixPlain, down)) {
      ours = true;
      keys.mediaHeardAt = now;
      this.#relay(now, media);
    }
    if (!ours) return;
    // Only frames of the mix move the window: chaff that the superpeer made up must not push real ones out of it.
    keys.downWindow.mark(down);
    keys.control.commit(down);
    keys.cellReceive.commit(down);
  }

  #hear(control: Buffer): void {
    const told = control.readUInt32BE(4);
    // The same again counts: a circuit may have been made since, of which an end was told before its beginning came.
    if (told < this.#told) return;
    this.#told = told;
    this.#grant = control[0]!;
    for (const [number, circuit] of this.#circuits.entries()) {
      if (circuit) circuit.stands = (control[1]! & (1 << number)) !== 0;
    }
  }

  #relay(now: Micros, cell: Buffer): void {
    const { drops, geometry } = this.#options;
    const circuit = this.#circuits[cell[0]!];
    if (!circuit) return drops.add('unknown_circuit');
    const relay = cell.subarray(MIX_HEADER_BYTES, MIX_HEADER_BYTES + geometry.relay);
    const counter = relay.readUInt32BE(0);
    if (!circuit.window.isFresh(counter)) return drops.add('replayed');
    if (!circuit.receive.open(relay, COUNTER_BYTES, geometry.relayPlain, counter)) return drops.add('bad_tag');
    circuit.window.mark(counter);
    this.#options.relay(now, circuit.rendezvousTag, relay.subarray(COUNTER_BYTES, COUNTER_BYTES + geometry.relayPlain));
  }

  // Up: one packet per attachment and tick, whatever happens

  /** Sends this tick's packets: `relay`, when it is allowed to speak, is a relay cell in the clear for that rendezvous. */
  send(
    now: Micros,
    wants: boolean,
    relay: { rendezvousTag: string; plain: Buffer } | undefined,
    outbox: PacketRing,
  ): void {
    this.#signalCounter += 1;
    const circuit = relay ? this.#circuitTo(relay.rendezvousTag) : -1;
    const speaks = relay !== undefined && circuit >= 0;
    if (speaks) this.#sealRelay(now, circuit, relay.plain);
    for (const [number, state] of this.#states.entries()) {
      if (state.kind !== 'attached') continue;
      const offset = this.#options.links.reserve(state.link, outbox);
      if (offset < 0) continue;
      const speaksHere = speaks && (this.#grant & (1 << number)) !== 0;
      this.#writeUp(outbox, offset, state.keys, wants, speaksHere);
      this.#options.links.send(state.link, outbox, this.#options.geometry.up);
    }
  }

  #writeUp({ bytes, words }: PacketRing, offset: number, keys: Keys, wants: boolean, speaks: boolean): void {
    const { geometry } = this.#options;
    const { sequence } = keys;
    keys.sequence += 1;
    bytes.writeUInt32BE(MESSAGE_KIND.up * 0x100_0000, offset);
    bytes.writeUInt32BE(sequence, offset + 4);
    const signalAt = offset + UP_HEADER_BYTES;
    bytes.fill(0, signalAt, signalAt + SIGNAL_BYTES);
    bytes[signalAt] = (wants ? SIGNAL_WANT : 0) | (this.#deceived << SIGNAL_DECEIVED_SHIFT);
    bytes[signalAt + 1] = keys.heard;
    bytes[signalAt + 2] = keys.controls.toldWindow & 0xff;
    bytes[signalAt + 3] = Math.min(0xff, keys.controls.toldOpened);
    bytes.writeUInt32BE(this.#signalCounter, signalAt + 4);
    keys.signal.at(sequence)!.seal(bytes, signalAt, SIGNAL_BYTES - AEAD_TAG_BYTES, sequence);
    const cellAt = signalAt + SIGNAL_BYTES;
    if (speaks) {
      this.#mixPlain.copy(bytes, cellAt);
      keys.cellSend.at(sequence)!.seal(bytes, cellAt, geometry.mixPlain, sequence);
    } else bytes.fill(0, cellAt, cellAt + geometry.mix);
    keys.coding.at(sequence)!.xorInto(words, cellAt / 4, sequence);
    keys.audit.at(sequence)!.seal(this.#scratch, 0, 0, sequence, bytes.subarray(cellAt, cellAt + geometry.mix));
    this.#scratch.copy(bytes, offset + 8, 0, AUDIT_TAG_BYTES);
    for (const generations of [keys.coding, keys.cellSend, keys.signal, keys.audit]) generations.commit(sequence);
  }

  /** Puts the relay cell, sealed for its rendezvous, into #mixPlain. */
  #sealRelay(now: Micros, number: number, plain: Buffer): void {
    const { geometry } = this.#options;
    const circuit = this.#circuits[number]!;
    const cell = this.#relayCell;
    cell.writeUInt32BE(circuit.counter, 0);
    plain.copy(cell, COUNTER_BYTES, 0, geometry.relayPlain);
    circuit.send.seal(cell, COUNTER_BYTES, geometry.relayPlain, circuit.counter);
    circuit.counter += 1;
    this.#mixPlain.fill(0, 0, MIX_HEADER_BYTES);
    this.#mixPlain[0] = number;
    this.#mixPlain[1] = this.#hearing(now);
    cell.copy(this.#mixPlain, MIX_HEADER_BYTES);
  }

  /**
   * Bit i: something came down on attachment i just now, and was not made up. Bit 4 + i: media came there a moment ago
   * and is missed now, which only who has sent some can tell from silence.
   */
  #hearing(now: Micros): number {
    let mask = 0;
    for (const [number, state] of this.#states.entries()) {
      if (state.kind !== 'attached') continue;
      const { downHeardAt, mediaHeardAt, stale } = state.keys;
      if (now - downHeardAt < DEAF_US && !stale) mask |= 1 << number;
      if (now - mediaHeardAt >= DEAF_US && now - mediaHeardAt < MEDIA_RECENT_US)
        mask |= 1 << (HEARD_MISSED_SHIFT + number);
    }
    return mask;
  }

  /** One that is to stay, with its attachment, if there is: with those the mix replaces a circuit. */
  #circuitTo(rendezvousTag: string): number {
    const staying = this.#staying(rendezvousTag);
    if (staying >= 0) return this.#present[staying]!;
    return this.#circuits.findIndex((circuit) => leadsTo(circuit, rendezvousTag));
  }

  /** An attachment whose present circuit leads to that rendezvous; -1 if there is none. */
  #staying(rendezvousTag: string): number {
    return this.#states.findIndex(
      ({ kind }, number) => kind === 'attached' && leadsTo(this.#circuits[this.#present[number]!], rendezvousTag),
    );
  }

  #count(keys: Keys): void {
    keys.countedTicks += 1;
    if (keys.countedTicks < HEARD_WINDOW) return;
    keys.heard = Math.min(HEARD_WINDOW, keys.counted);
    keys.counted = 0;
    keys.countedTicks = 0;
  }

  #keys(now: Micros, first: number, down: number, { send, receive }: TransportKeys): Keys {
    const aead = (key: Buffer) => new Aead(key);
    const keys: Keys = {
      coding: Generations.of(send, 'coding', first, (key) => new CodingKeystream(key, this.#options.geometry.mix)),
      cellSend: Generations.of(send, 'cell', first, aead),
      signal: Generations.of(send, 'signal', first, aead),
      audit: Generations.of(send, 'audit', first, aead),
      cellReceive: Generations.of(receive, 'cell', down, aead),
      control: Generations.of(receive, 'control', down, aead),
      downWindow: new ReplayWindow(),
      sequence: first,
      controlHeardAt: now,
      downHeardAt: now,
      mediaHeardAt: Number.NEGATIVE_INFINITY,
      stale: false,
      counted: 0,
      heard: HEARD_WINDOW,
      countedTicks: 0,
      controls: { window: down >>> CONTROL_WINDOW_BITS, opened: 0, toldWindow: 0, toldOpened: 0 },
      leaveAt: undefined,
    };
    wipe(send);
    wipe(receive);
    return keys;
  }

  #spread(us: Micros): Micros {
    return drawBelow(this.#options.entropy, us / MILLISECOND_US) * MILLISECOND_US;
  }
}

const leadsTo = (circuit: Circuit | undefined, rendezvousTag: string): boolean =>
  circuit?.stands === true && circuit.rendezvousTag === rendezvousTag;

/** A control cell has opened: one of a later window of d says that the window before is over. */
function countControl({ controls }: Keys, down: number): void {
  const window = down >>> CONTROL_WINDOW_BITS;
  if (window > controls.window) {
    controls.toldWindow = window - 1;
    controls.toldOpened = window - 1 === controls.window ? controls.opened : 0;
    controls.window = window;
    controls.opened = 0;
  }
  if (window === controls.window) controls.opened += 1;
}
