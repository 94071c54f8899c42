import { keyAt, type ScheduledKey } from '../config/consensus.ts';
import type { DropCounters } from '../core/drop.ts';
import { draw, type Entropy } from '../core/machine.ts';
import type { PacketRing } from '../core/ring.ts';
import { type Endpoint, MILLISECOND_US, type Micros, SECOND_US } from '../core/units.ts';
import { Aead } from '../crypto/aead.ts';
import { type DhKeyPair, KEY_BYTES, wipe } from '../crypto/keys.ts';
import { Handshake, handshakeBytes, type Pattern, respond } from '../crypto/noise.ts';
import { ReplayWindow } from '../crypto/replay.ts';
import {
  LINK_COOKIE_BYTES,
  LINK_HEADER_BYTES,
  LINK_INDEX_MAX,
  LINK_INIT_HEADER_BYTES,
  LINK_KIND,
  LINK_OVERHEAD_BYTES,
  linkInitBytes,
  PROLOGUE,
} from '../wire/constants.ts';
import { COOKIE_LIFE_US, Cookies } from './cookies.ts';

/**
 * The link layer (WIRE.md 1): authenticated, replay-proof datagrams between two nodes.
 *
 * Property: a datagram that is not from the peer's current key, in order to be counted once, changes nothing but a
 * drop counter and is not answered. The initiator keeps the link: it starts anew when the peer is silent or the key is
 * old, so a restarted peer is found again without either side having to say so.
 *
 * There are two exceptions. A stranger who shows no key where links take one gets one answer, shorter than what he sent, and is
 * forgotten: it proves that who has our link key is where he looked. He has to know that key, and answers are handshakes, of
 * which a tick has few.
 *
 * The other is a flood of handshakes. They are cheap to send from addresses that are not one's own, so while
 * there are many only those are taken that show a cookie (cookies.ts), and the others are told theirs: shorter than what
 * was sent, without any state, and no more than the outbox can spare. A larger flood delays newcomers, by chance, but not
 * those who are in. Who floods from addresses at which he does receive is not held off, nor who floods, reads the link and
 * is faster with a false cookie every time.
 */

/** Silence after which the initiator tries again: far more than a tick and a round trip around the world. */
const SILENCE_US = 2 * SECOND_US;
const HANDSHAKE_RETRY_US = 700 * MILLISECOND_US;
/** Silence after which a link sends no more: its peer is gone. */
export const LINK_DEAD_US = 10 * SECOND_US;
const REKEY_AFTER_US = 3600 * SECOND_US;
const REKEY_AFTER_COUNT = 2 ** 31;
/** The old key after a new one has taken its place: longer than a datagram is ever under way. */
const PREVIOUS_KEPT_US = 5 * SECOND_US;
/** A handshake costs 0.3 ms: this many leave most of a tick to those who are already in. */
const HANDSHAKES_PER_TICK_MAX = 16;
/** Links whose initiator has yet to be heard: more than are on their way in a fair rush, far fewer than a table holds. */
const HALF_OPEN_MAX = 64;
/**
 * COOKIEs fill this part of an outbox at most, and as many cookies are checked in a tick: the rest of the slots, and of the
 * tick, is for what every tick sends. At 2 µs each and 4096 slots they cost about what the handshakes do.
 */
const COOKIES_SHARE = 1 / 4;
/** Of no session: see #freeIndex. */
const NO_INDEX = 0;
const NO_COOKIE = Buffer.alloc(LINK_COOKIE_BYTES);

interface Session<P> {
  readonly link: Link<P>;
  readonly localIndex: number;
  readonly remoteIndex: number;
  readonly send: Aead;
  readonly receive: Aead;
  readonly window: ReplayWindow;
  readonly createdAt: Micros;
  sendCounter: number;
  /** Highest counter that has opened, -1 before the first. */
  received: number;
}

interface PendingHandshake {
  readonly state: Handshake;
  /** The INIT without its cookie: sent again when the peer asks for one. */
  readonly init: Buffer;
  readonly localIndex: number;
  readonly sentAt: Micros;
  /** Whether a COOKIE has come: one is believed, so a forged one brings forward one INIT and no more. */
  hasCookie: boolean;
}

export interface Link<P> {
  readonly peer: P;
  readonly initiator: boolean;
  /** The peer's static keys, as the newest consensus has them; only for the initiator. */
  readonly remote: (() => readonly ScheduledKey[]) | undefined;
  /** The tag under which the peer opened the link; undefined for a client, which shows none, and for the initiator. */
  readonly tag: string | undefined;
  endpoint: Endpoint;
  /** What is sent under. */
  current: Session<P> | undefined;
  /** A responder's newer session that no datagram has confirmed yet. */
  unconfirmed: Session<P> | undefined;
  /** Still opened for PREVIOUS_KEPT_US: datagrams that were under way when the session was renewed. */
  previous: Session<P> | undefined;
  /** When `current` took the place of `previous`. */
  promotedAt: Micros;
  handshake: PendingHandshake | undefined;
  /** What the peer wants to see in an INIT, and how long it is good. */
  cookie: { readonly bytes: Buffer; readonly until: Micros } | undefined;
  /** Of the newest handshake that was answered: a copy of it is not answered again. */
  remoteEphemeral: Buffer | undefined;
  receivedAt: Micros;
}

/** Who opens and takes links here; a client, which only opens them and shows no key, has none. */
export interface LinkSelf {
  readonly tag: string;
  /** What links are opened with. */
  readonly shown: (now: Micros) => DhKeyPair;
  /** All for which an INIT may have been made, the likeliest first. */
  readonly accepted: readonly DhKeyPair[];
}

export interface LinksOptions<P> {
  readonly self: LinkSelf | undefined;
  readonly entropy: Entropy;
  readonly drops: DropCounters;
  /** Who may open a link to us: the peer, or undefined to refuse. `from` is undefined for NK. */
  readonly admit: (from: { readonly tag: string; readonly key: Buffer } | undefined) => P | undefined;
  /** BOUNDED: links at most, of both directions. */
  readonly linksMax: number;
}

export class Links<P> {
  readonly #options: LinksOptions<P>;
  /** BOUNDED: by linksMax, see #create. */
  readonly #links = new Set<Link<P>>();
  /** By own index. BOUNDED: three per link. */
  readonly #sessions = new Map<number, Session<P>>();
  /** By own index. BOUNDED: one per link. */
  readonly #handshakes = new Map<number, Link<P>>();
  readonly #cookies: Cookies;
  /** Handshakes taken since the last tick, and between it and the one before. */
  #taken = 0;
  #takenBefore = 0;
  /** Cookies checked since the last tick. */
  #checked = 0;
  /** Links that nobody has been heard on yet, at the last tick. */
  #halfOpen = 0;

  /** Where the last received message stands: bytes of the inbox. */
  plainOffset = 0;
  plainLength = 0;

  constructor(options: LinksOptions<P>) {
    this.#options = options;
    this.#cookies = new Cookies(options.entropy);
  }

  get size(): number {
    return this.#links.size;
  }

  /** Opens a link as the initiator; `tick` sends the handshake. undefined when the table is full. */
  connect(now: Micros, peer: P, remote: () => readonly ScheduledKey[], endpoint: Endpoint): Link<P> | undefined {
    return this.#create(now, peer, { initiator: true, remote, tag: undefined }, endpoint);
  }

  close(link: Link<P>): void {
    if (link.handshake) this.#handshakes.delete(link.handshake.localIndex);
    for (const session of [link.current, link.unconfirmed, link.previous]) {
      if (session) this.#sessions.delete(session.localIndex);
    }
    link.current = link.unconfirmed = link.previous = link.handshake = undefined;
    this.#links.delete(link);
  }

  /** Whether something can be sent. */
  isUp(link: Link<P>): boolean {
    return link.current !== undefined;
  }

  /**
   * Takes datagram `index` of the inbox. Returns the link if it carried a message, which then stands decrypted at
   * `plainOffset`; answers to handshakes go to the outbox.
   */
  receive(now: Micros, inbox: PacketRing, index: number, outbox: PacketRing): Link<P> | undefined {
    const offset = index * inbox.slotBytes;
    const length = inbox.lengths[index]!;
    const from = inbox.endpoints[index]! as Endpoint;
    const kind = length > 0 ? inbox.bytes[offset]! : 0;
    switch (kind) {
      case LINK_KIND.transport:
        return this.#transport(now, inbox.bytes, offset, length, from, outbox);
      case LINK_KIND.initIk:
        this.#respond(now, 'IK', inbox.bytes.subarray(offset, offset + length), from, outbox);
        return undefined;
      case LINK_KIND.initNk:
        this.#respond(now, 'NK', inbox.bytes.subarray(offset, offset + length), from, outbox);
        return undefined;
      case LINK_KIND.response:
        this.#finish(now, inbox.bytes.subarray(offset, offset + length), from);
        return undefined;
      case LINK_KIND.cookie:
        this.#cookie(now, inbox.bytes.subarray(offset, offset + length), from, outbox);
        return undefined;
      default:
        this.#options.drops.add(length < LINK_INIT_HEADER_BYTES ? 'truncated' : 'unknown_kind');
        return undefined;
    }
  }

  /** Offset in the outbox where the message to `link` goes, or -1 if nothing can be sent to it now. Then `send`. */
  reserve(link: Link<P>, outbox: PacketRing): number {
    if (!link.current) return -1;
    const offset = outbox.reserve();
    if (offset < 0) {
      this.#options.drops.add('outbox_full');
      return -1;
    }
    return offset + LINK_HEADER_BYTES;
  }

  /** Seals the `length` bytes written at the reserved offset and takes the slot. */
  send(link: Link<P>, outbox: PacketRing, length: number): void {
    const session = link.current!;
    const { bytes } = outbox;
    const offset = outbox.reserve();
    bytes.writeUInt32BE(LINK_KIND.transport * 0x100_0000 + session.remoteIndex, offset);
    bytes.writeUInt32BE(session.sendCounter, offset + 4);
    const header = bytes.subarray(offset, offset + LINK_HEADER_BYTES);
    session.send.seal(bytes, offset + LINK_HEADER_BYTES, length, session.sendCounter, header);
    session.sendCounter += 1;
    outbox.push(link.endpoint, length + LINK_OVERHEAD_BYTES);
  }

  /** Starts and repeats handshakes, forgets dead peers. `gone` is told of each link that was forgotten. */
  tick(now: Micros, outbox: PacketRing, gone: (link: Link<P>) => void): void {
    this.#takenBefore = this.#taken;
    this.#taken = 0;
    this.#checked = 0;
    this.#halfOpen = 0;
    this.#cookies.renew(now);
    for (const link of this.#links) {
      const silent = now - link.receivedAt;
      if (link.previous && now - link.promotedAt > PREVIOUS_KEPT_US) this.#forgetPrevious(link);
      if (!link.initiator) {
        if (silent > LINK_DEAD_US) {
          this.close(link);
          gone(link);
        } else if (!link.current) this.#halfOpen += 1;
        continue;
      }
      if (silent > LINK_DEAD_US && link.current) {
        this.#sessions.delete(link.current.localIndex);
        link.current = undefined;
      }
      const session = link.current;
      const renew =
        !session ||
        silent > SILENCE_US ||
        now - session.createdAt > REKEY_AFTER_US ||
        session.sendCounter > REKEY_AFTER_COUNT;
      if (renew && (!link.handshake || now - link.handshake.sentAt > HANDSHAKE_RETRY_US))
        this.#initiate(now, link, outbox);
    }
  }

  #create(
    now: Micros,
    peer: P,
    ends: Pick<Link<P>, 'initiator' | 'remote' | 'tag'>,
    endpoint: Endpoint,
  ): Link<P> | undefined {
    if (this.#links.size >= this.#options.linksMax) {
      this.#options.drops.add('table_full');
      return undefined;
    }
    const link: Link<P> = {
      peer,
      ...ends,
      endpoint,
      current: undefined,
      unconfirmed: undefined,
      previous: undefined,
      promotedAt: now,
      handshake: undefined,
      cookie: undefined,
      remoteEphemeral: undefined,
      receivedAt: now,
    };
    this.#links.add(link);
    return link;
  }

  #transport(
    now: Micros,
    bytes: Buffer,
    offset: number,
    length: number,
    from: Endpoint,
    outbox: PacketRing,
  ): Link<P> | undefined {
    const { drops } = this.#options;
    const plainLength = length - LINK_OVERHEAD_BYTES;
    if (plainLength < 4) {
      drops.add('truncated');
      return undefined;
    }
    const session = this.#sessions.get(bytes.readUIntBE(offset + 1, 3));
    if (!session) {
      drops.add('unknown_session');
      return undefined;
    }
    const counter = bytes.readUInt32BE(offset + 4);
    if (!session.window.isFresh(counter)) {
      drops.add('replayed');
      return undefined;
    }
    const header = bytes.subarray(offset, offset + LINK_HEADER_BYTES);
    if (!session.receive.open(bytes, offset + LINK_HEADER_BYTES, plainLength, counter, header)) {
      drops.add('bad_tag');
      return undefined;
    }
    session.window.mark(counter);
    const { link } = session;
    if (session === link.unconfirmed) {
      this.#promote(now, link, session);
      link.unconfirmed = undefined;
    }
    const newest = counter > session.received;
    if (newest) session.received = counter;
    // One that is late, or was held back, tells where the peer was and not where it is.
    if (newest && session === link.current) link.endpoint = from;
    link.receivedAt = now;
    const plainOffset = offset + LINK_HEADER_BYTES;
    if (!link.initiator && bytes[plainOffset] === LINK_KIND.initNk) {
      this.#respond(now, 'NK', bytes.subarray(plainOffset, plainOffset + plainLength), from, outbox, link);
      return undefined;
    }
    this.plainOffset = plainOffset;
    this.plainLength = plainLength;
    return link;
  }

  #promote(now: Micros, link: Link<P>, session: Session<P>): void {
    this.#forgetPrevious(link);
    link.previous = link.current;
    link.current = session;
    link.promotedAt = now;
  }

  #forgetPrevious(link: Link<P>): void {
    if (link.previous) this.#sessions.delete(link.previous.localIndex);
    link.previous = undefined;
  }

  #initiate(now: Micros, link: Link<P>, outbox: PacketRing): void {
    if (outbox.reserve() < 0) return;
    const localIndex = this.#freeIndex();
    if (link.handshake) this.#handshakes.delete(link.handshake.localIndex);
    const { self } = this.#options;
    const pattern: Pattern = self ? 'IK' : 'NK';
    const state = new Handshake({
      pattern,
      initiator: true,
      prologue: PROLOGUE.link,
      remote: keyAt(now, link.remote!()),
      ...(self && { local: self.shown(now) }),
    });
    const payload = Buffer.from(self?.tag ?? '', 'hex');
    const message = state.write(payload, draw(this.#options.entropy, KEY_BYTES));
    // A key of small order in a signed consensus would be our own zone's fault; there is nobody to talk to then.
    if (!message) return;
    const kind = pattern === 'IK' ? LINK_KIND.initIk : LINK_KIND.initNk;
    const init = Buffer.alloc(LINK_INIT_HEADER_BYTES + message.length);
    init.writeUInt32BE(kind * 0x100_0000 + localIndex);
    message.copy(init, LINK_INIT_HEADER_BYTES);
    link.handshake = { state, init, localIndex, sentAt: now, hasCookie: false };
    this.#handshakes.set(localIndex, link);
    this.#sendInit(now, link, init, outbox);
  }

  /**
   * An INIT shows who the peer is by the tag and the static key in it. One without such a key, when it renews a link that lives, goes
   * inside the old session, which shows it instead: by itself it would be a stranger's.
   */
  #sendInit(now: Micros, link: Link<P>, init: Buffer, outbox: PacketRing): void {
    const inside = !this.#options.self && link.current !== undefined && now - link.receivedAt <= SILENCE_US;
    const offset = inside ? this.reserve(link, outbox) : outbox.reserve();
    if (offset < 0) return;
    const cookie = link.cookie && now < link.cookie.until ? link.cookie.bytes : NO_COOKIE;
    const length = init.length + LINK_COOKIE_BYTES;
    init.copy(outbox.bytes, offset);
    cookie.copy(outbox.bytes, offset + init.length);
    if (inside) this.send(link, outbox, length);
    else outbox.push(link.endpoint, length);
  }

  /**
   * Many handshakes: more than half of what a tick allows, in this one so far or in the last, so that the other half is
   * for those with a cookie. Or many that were begun and not gone through with.
   */
  #flooded(): boolean {
    const taken = Math.max(this.#taken, this.#takenBefore);
    return taken > HANDSHAKES_PER_TICK_MAX / 2 || this.#halfOpen > HALF_OPEN_MAX;
  }

  /** Takes an INIT; `renewed` is the link inside which it came, if any. */
  #respond(
    now: Micros,
    pattern: Pattern,
    datagram: Buffer,
    from: Endpoint,
    outbox: PacketRing,
    renewed?: Link<P>,
  ): void {
    const { self, drops, admit } = this.#options;
    if (!self) return drops.add('unknown_kind');
    if (datagram.length !== linkInitBytes(pattern)) return drops.add('truncated');
    const end = datagram.length - LINK_COOKIE_BYTES;
    if (!renewed && this.#flooded() && !this.#showsCookie(datagram.subarray(end), from, outbox))
      return this.#tellCookie(datagram.readUIntBE(1, 3), from, outbox);
    if (this.#taken === HANDSHAKES_PER_TICK_MAX) return drops.add('handshake_limit');
    this.#taken += 1;
    const first = datagram.subarray(LINK_INIT_HEADER_BYTES, end);
    const read = respond(pattern, PROLOGUE.link, self.accepted, first);
    if (!read) return drops.add('bad_handshake');
    const { state, payload } = read;
    const key = state.remoteStatic;
    const tag = key && payload.toString('hex');
    const peer = admit(key && { tag: tag!, key });
    if (peer === undefined && key) return drops.add('bad_handshake');
    const remoteIndex = datagram.readUIntBE(1, 3);
    if (peer === undefined) return this.#answer(this.#second(state), NO_INDEX, remoteIndex, from, outbox);
    const known = renewed ?? this.#linkOf(tag);
    const ephemeral = Buffer.from(first.subarray(0, KEY_BYTES));
    if (known?.remoteEphemeral?.equals(ephemeral)) return drops.add('replayed');
    if (outbox.reserve() < 0) return drops.add('outbox_full');
    const link = known ?? this.#create(now, peer, { initiator: false, remote: undefined, tag }, from);
    if (!link) return;
    link.remoteEphemeral = ephemeral;
    const message = this.#second(state);
    const localIndex = this.#freeIndex();
    this.#answer(message, localIndex, remoteIndex, from, outbox);
    if (link.unconfirmed) this.#sessions.delete(link.unconfirmed.localIndex);
    link.unconfirmed = this.#session(now, link, localIndex, remoteIndex, state);
    if (!link.current) link.endpoint = from;
  }

  #second(state: Handshake): Buffer {
    return state.write(new Uint8Array(0), draw(this.#options.entropy, KEY_BYTES))!;
  }

  #answer(message: Buffer, localIndex: number, remoteIndex: number, from: Endpoint, outbox: PacketRing): void {
    const offset = outbox.reserve();
    if (offset < 0) return this.#options.drops.add('outbox_full');
    outbox.bytes.writeUInt32BE(LINK_KIND.response * 0x100_0000 + localIndex, offset);
    outbox.bytes.writeUInt32BE(remoteIndex, offset + 4);
    message.copy(outbox.bytes, offset + LINK_HEADER_BYTES);
    outbox.push(from, LINK_HEADER_BYTES + message.length);
  }

  #showsCookie(cookie: Buffer, from: Endpoint, outbox: PacketRing): boolean {
    if (cookie.equals(NO_COOKIE) || this.#checked >= outbox.capacity * COOKIES_SHARE) return false;
    this.#checked += 1;
    return this.#cookies.isOf(from, cookie);
  }

  #tellCookie(remoteIndex: number, from: Endpoint, outbox: PacketRing): void {
    if (outbox.count >= outbox.capacity * COOKIES_SHARE) return this.#options.drops.add('handshake_limit');
    this.#options.drops.add('cookie_missing');
    const offset = outbox.reserve();
    outbox.bytes.writeUInt32BE(LINK_KIND.cookie * 0x100_0000 + remoteIndex, offset);
    this.#cookies.of(from).copy(outbox.bytes, offset + LINK_INIT_HEADER_BYTES);
    outbox.push(from, LINK_INIT_HEADER_BYTES + LINK_COOKIE_BYTES);
  }

  /** Takes a COOKIE. It proves nothing, so it is believed once per handshake, and only from where the INIT was sent to. */
  #cookie(now: Micros, datagram: Buffer, from: Endpoint, outbox: PacketRing): void {
    const { drops } = this.#options;
    if (datagram.length !== LINK_INIT_HEADER_BYTES + LINK_COOKIE_BYTES) return drops.add('truncated');
    const link = this.#handshakes.get(datagram.readUIntBE(1, 3));
    if (!link?.handshake || link.handshake.hasCookie || from !== link.endpoint) return drops.add('cookie_stray');
    link.handshake.hasCookie = true;
    link.cookie = { bytes: Buffer.from(datagram.subarray(LINK_INIT_HEADER_BYTES)), until: now + COOKIE_LIFE_US };
    this.#sendInit(now, link, link.handshake.init, outbox);
  }

  #finish(now: Micros, datagram: Buffer, from: Endpoint): void {
    const { drops } = this.#options;
    // The second message has the same length in both patterns.
    if (datagram.length !== LINK_HEADER_BYTES + handshakeBytes('IK', 1)) return drops.add('truncated');
    const localIndex = datagram.readUInt32BE(4);
    const link = this.#handshakes.get(localIndex);
    if (!link?.handshake) return drops.add('unknown_session');
    const { state } = link.handshake;
    // A wrong one leaves the state as it was: whoever sees the index on the wire could else keep the link down.
    if (!state.read(datagram.subarray(LINK_HEADER_BYTES))) return drops.add('bad_handshake');
    this.#handshakes.delete(localIndex);
    link.handshake = undefined;
    link.endpoint = from;
    link.receivedAt = now;
    this.#promote(now, link, this.#session(now, link, localIndex, datagram.readUIntBE(1, 3), state));
  }

  #session(now: Micros, link: Link<P>, localIndex: number, remoteIndex: number, state: Handshake): Session<P> {
    const keys = state.split();
    const session: Session<P> = {
      link,
      localIndex,
      remoteIndex,
      send: new Aead(keys.send),
      receive: new Aead(keys.receive),
      window: new ReplayWindow(),
      createdAt: now,
      sendCounter: 0,
      received: -1,
    };
    wipe(keys.send);
    wipe(keys.receive);
    this.#sessions.set(localIndex, session);
    return session;
  }

  #linkOf(tag: string | undefined): Link<P> | undefined {
    if (tag === undefined) return undefined;
    for (const link of this.#links) if (link.tag === tag) return link;
    return undefined;
  }

  #freeIndex(): number {
    for (;;) {
      const index = draw(this.#options.entropy, 3).readUIntBE(0, 3) & LINK_INDEX_MAX;
      if (index !== 0 && !this.#sessions.has(index) && !this.#handshakes.has(index)) return index;
    }
  }
}
