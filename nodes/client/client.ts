import type { Consensus, ConsensusNode, View } from '../config/consensus.ts';
import { cookieOf, rendezvousOf } from '../config/contact.ts';
import type { DropCounters } from '../core/drop.ts';
import { drawBelow, type Entropy, type Machine, type Rate } from '../core/machine.ts';
import type { PacketRing } from '../core/ring.ts';
import { MILLISECOND_US, type Micros, SECOND_US } from '../core/units.ts';
import type { Identity } from '../crypto/keys.ts';
import { Links } from '../link/links.ts';
import { GEOMETRY, type Geometry, LINK_OVERHEAD_BYTES } from '../wire/constants.ts';
import { Attachments, type SuperpeerPeer } from './attachments.ts';
import type { VoiceIo } from './call.ts';
import { type CallEvent, Signalling } from './signalling.ts';

/**
 * A client: stays attached to its channels, sends one packet on each in every tick whatever it does, places and answers
 * calls.
 *
 * Property: what it sends, when and where to, is decided by the consensus, by what its superpeers and mix do, and by
 * chance; never by a call. A call changes only what is inside.
 */
/** When the mix drains, clients leave it within this time: not in one wave. */
const DRAIN_SPREAD_US = 10 * SECOND_US;
/** Both sessions send for this long after the change, so that nothing under way is lost. */
const OVERLAP_US = SECOND_US;

export type ClientEvent = { readonly kind: 'attached' } | { readonly kind: 'detached' } | CallEvent;

export interface ClientOptions {
  readonly identity: Identity;
  readonly entropy: Entropy;
  readonly drops: DropCounters;
  readonly view: View;
  readonly now: Micros;
}

export class Client implements Machine {
  readonly #options: ClientOptions;
  readonly #geometry: Geometry;
  readonly #links: Links<SuperpeerPeer>;
  readonly #cookie: Buffer;
  readonly #events: ClientEvent[] = [];
  readonly #signalling: Signalling;
  #view: View;
  /** The own zone's, in the order in which we have them. BOUNDED: by the consensus. */
  #rendezvous: readonly ConsensusNode[];
  /** The session that speaks. */
  #current: Attachments | undefined;
  /** One with another mix, to take over. */
  #next: { readonly attachments: Attachments; completeAt: Micros | undefined } | undefined;
  #leaveAt: Micros | undefined;
  #wasAttached = false;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#view = options.view;
    this.#geometry = GEOMETRY[options.view.own.params.profile];
    this.#cookie = cookieOf(options.identity.endToEnd.publicKey);
    this.#rendezvous = rendezvousOf(this.#cookie, options.view.own);
    this.#links = new Links<SuperpeerPeer>({
      self: undefined,
      entropy: options.entropy,
      drops: options.drops,
      admit: () => undefined,
      linksMax: 16,
    });
    this.#signalling = new Signalling({
      identity: options.identity,
      entropy: options.entropy,
      drops: options.drops,
      geometry: this.#geometry,
      cookie: this.#cookie,
      consensusOf: (zone) => this.#consensusOf(zone),
      ownRendezvous: () => this.#rendezvous,
      reaches: (tag) => this.#reaching(tag) !== undefined,
      tell: (event) => this.#events.push(event),
    });
  }

  update(_now: Micros, view: View): void {
    this.#view = view;
    this.#rendezvous = rendezvousOf(this.#cookie, view.own);
  }

  /** The next thing that has happened, oldest first. BOUNDED: a handful per call, drained every tick. */
  poll(): ClientEvent | undefined {
    return this.#events.shift();
  }

  get attached(): boolean {
    return this.attachments > 0;
  }

  /** Attachments that send now. */
  get attachments(): number {
    return this.#current?.attached ?? 0;
  }

  rate(): Rate {
    const datagrams = this.attachments;
    return { datagrams, bytes: datagrams * (this.#geometry.up + LINK_OVERHEAD_BYTES) };
  }

  get callState(): Signalling['state'] {
    return this.#signalling.state;
  }

  get voice(): VoiceIo {
    return this.#signalling.voice;
  }

  set voice(voice: VoiceIo) {
    this.#signalling.voice = voice;
  }

  /** End-to-end keys, in hex, whose calls are not heard. */
  block(keys: ReadonlySet<string>): void {
    this.#signalling.blocked = keys;
  }

  /** Starts a call; one sentence if it cannot be started. */
  place(now: Micros, contactText: string): { refused: string } | undefined {
    if (!this.attached) return { refused: 'not attached to a channel yet' };
    return this.#signalling.place(now, contactText);
  }

  /** Takes the call that rings; false if none does. */
  answer(now: Micros): boolean {
    return this.#signalling.answer(now);
  }

  /** Ends whatever call there is; one that rings is declined, and its caller not told. */
  hangUp(): void {
    this.#signalling.hangUp();
  }

  tick(now: Micros, inbox: PacketRing, outbox: PacketRing): void {
    for (let i = 0; i < inbox.count; i += 1) {
      const link = this.#links.receive(now, inbox, i, outbox);
      if (!link) continue;
      const { attachments, number } = link.peer;
      const at = this.#links.plainOffset;
      attachments.message(now, number, inbox.bytes.subarray(at, at + this.#links.plainLength));
    }
    this.#links.tick(now, outbox, () => {});
    this.#keepSession(now);
    for (const session of this.#sessions()) session.tick(now, outbox);
    this.#tellAttached();
    const sessions = this.#sessions();
    this.#signalling.tick(
      now,
      this.#speaker() !== undefined,
      sessions.some(({ refused }) => refused),
    );
    const { wants } = this.#signalling;
    const cell = this.#speaker() ? this.#signalling.next(now) : undefined;
    const by = cell && this.#reaching(cell.rendezvousTag);
    for (const session of sessions) session.send(now, wants, session === by ? cell : undefined, outbox);
  }

  #consensusOf(zone: string): Consensus | undefined {
    return [this.#view.own, ...this.#view.peers].find((consensus) => consensus.zone === zone);
  }

  // Sessions

  /** Both of them during a change; the newer one is preferred for speaking. */
  #sessions(): Attachments[] {
    return [this.#next?.attachments, this.#current].filter((session) => session !== undefined);
  }

  #speaker(): Attachments | undefined {
    return this.#sessions().find(({ granted }) => granted);
  }

  /** A session that may speak and has a circuit to that rendezvous. */
  #reaching(rendezvousTag: string): Attachments | undefined {
    return this.#sessions().find((session) => session.granted && session.reaches(rendezvousTag));
  }

  #keepSession(now: Micros): void {
    const current = this.#current;
    if (!current) {
      const mix = this.#chooseMix();
      if (mix) this.#current = this.#join(now, mix);
      return;
    }
    const lost = current.lost(now);
    if (!this.#next) {
      const partner = this.#leaving(now, current, lost);
      if (partner) this.#next = { attachments: this.#join(now, partner), completeAt: undefined };
      return;
    }
    const { attachments } = this.#next;
    if (lost ? attachments.attached > 0 : this.#isReady(now, attachments)) {
      current.close();
      this.#current = attachments;
      this.#next = undefined;
      this.#leaveAt = undefined;
    } else if (attachments.lost(now) || (!lost && this.#leaveAt === undefined)) {
      // No better than the present one, or the present one was only silent for a while and is well again.
      attachments.close();
      this.#next = undefined;
    }
  }

  /** The mix to go to, when it is time to leave the present one. */
  #leaving(now: Micros, current: Attachments, lost: boolean): ConsensusNode | undefined {
    if (lost) {
      const partners = current.partners();
      return partners[drawBelow(this.#options.entropy, partners.length)] ?? this.#chooseMix();
    }
    const listed = this.#view.own.nodes.find(({ tag }) => tag === current.mix.tag);
    if (listed && !listed.draining) {
      this.#leaveAt = undefined;
      return undefined;
    }
    const spreadMs = DRAIN_SPREAD_US / MILLISECOND_US;
    this.#leaveAt ??= now + drawBelow(this.#options.entropy, spreadMs) * MILLISECOND_US;
    if (now < this.#leaveAt) return undefined;
    const partners = current.partners();
    return partners[drawBelow(this.#options.entropy, partners.length)] ?? this.#chooseMix();
  }

  /** The new session is whole, and has been for as long as what is under way in the old one takes. */
  #isReady(now: Micros, attachments: Attachments): boolean {
    const next = this.#next!;
    if (!attachments.complete) next.completeAt = undefined;
    else next.completeAt ??= now;
    return next.completeAt !== undefined && now - next.completeAt > OVERLAP_US;
  }

  #join(now: Micros, mix: ConsensusNode): Attachments {
    const { identity, entropy, drops } = this.#options;
    return new Attachments(now, {
      identity,
      entropy,
      drops,
      geometry: this.#geometry,
      links: this.#links,
      mix,
      consensus: () => this.#view.own,
      rendezvous: () => this.#rendezvous,
      relay: (at, rendezvousTag, plain) => this.#signalling.take(at, rendezvousTag, plain),
    });
  }

  /** By the channels: a mix with twice the channels gets twice the clients. */
  #chooseMix(): ConsensusNode | undefined {
    const { channels, nodes, params } = this.#view.own;
    const open = channels.filter(({ mix }) => !mix.draining);
    if (open.length > 0) return open[drawBelow(this.#options.entropy, open.length)]!.mix;
    const mixes = nodes.filter(({ role, draining }) => role === 'mix' && !draining);
    return params.directClients > 0 ? mixes[drawBelow(this.#options.entropy, mixes.length)] : undefined;
  }

  #tellAttached(): void {
    if (this.attached === this.#wasAttached) return;
    this.#wasAttached = this.attached;
    this.#events.push({ kind: this.attached ? 'attached' : 'detached' });
  }
}
