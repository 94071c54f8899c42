import { timingSafeEqual } from 'node:crypto';
import { MILLISECOND_US, type Micros, SECOND_US } from '../core/units.ts';
import { AEAD_TAG_BYTES, type Aead } from '../crypto/aead.ts';
import type { Generations } from '../crypto/generations.ts';
import type { CodingKeystream } from '../crypto/keystream.ts';
import type { ReplayWindow } from '../crypto/replay.ts';
import {
  AUDIT_TAG_BYTES,
  COUNTER_BYTES,
  type Geometry,
  MANIFEST_PRESENT,
  MANIFEST_SEQUENCE_MASK,
  TICK_US,
} from '../wire/constants.ts';

/**
 * Whose fault a bad round is (network.md 1.6): the superpeer shows the packets that the round was made of, and the mix
 * says what follows.
 *
 * Who can have done what:
 * - What the superpeer says comes over its own link, so nobody else can have said it. If the packets that it shows do
 *   not add up to the X that it sent, or bear other sequence numbers than its manifest, its own words contradict each
 *   other. Likewise if it has put a packet into two rounds, or goes on naming a client that it was told is gone.
 * - A packet whose T verifies comes from its client as it is: only client and mix have the key. If it is neither the
 *   keystream nor a cell under the client's key, the client jams.
 * - A packet whose T does not verify was changed by the superpeer, or had a wrong T from the start, so that its superpeer
 *   seems to lie: nobody can tell. The two are parted, and the superpeer has a mark. The same for a whole cell of a
 *   client whose turn it is not: it jams, or its superpeer keeps from it that its turn is over.
 * - An answer that does not come proves little by itself: whoever sits on the link can drop it. Three in a row do not
 *   come by chance, and a channel that cannot be audited cannot be used.
 *
 * Properties, for any number of lying clients and any superpeer: an honest superpeer is never found guilty, and is not
 * expelled for marks as long as not more than half of a channel's clients lie; an honest client is never found to jam.
 *
 * Nothing here depends on whether the channel is held: a flipped bit makes an idle round as bad as one with a cell.
 */

/** A few rounds are bad when a client joins, leaves or comes back from a gap; more in this time are not chance. */
export const BAD_ROUNDS_MAX = 8;
const BAD_ROUNDS_US = 5 * SECOND_US;
/** Without a packet more for so long the AUDIT is sent again: longer than a way to a superpeer and back. */
const ASK_AGAIN_US = 300 * MILLISECOND_US;
const ASKS_MAX = 3;
/** Audits in a row that a superpeer may leave unanswered. */
const UNANSWERED_MAX = 3;
/** A client counts its ticks from when it was attached; more than a faster clock and a stall can be ahead. */
const AHEAD_RATIO = 1.001;
const AHEAD_TICKS = 250;
/** s and T before B. */
const PACKET_HEADER_BYTES = COUNTER_BYTES + AUDIT_TAG_BYTES;

export const GUILT = ['unanswered', 'sum', 'manifest', 'replayed', 'deserted', 'marks'] as const;
/** Why a superpeer is expelled. */
export type Guilt = (typeof GUILT)[number];

/** What the mix has of a client in order to judge its packets: an Attachment. */
export interface Witness {
  readonly coding: Generations<CodingKeystream>;
  readonly cellReceive: Generations<Aead>;
  readonly audit: Generations<Aead>;
  readonly codingWindow: ReplayWindow;
  readonly firstSequence: number;
  readonly attachedAt: Micros;
}

export type Finding<W> =
  /** The client has sent what it may not. */
  | { readonly kind: 'jams'; readonly client: W }
  /** The client or its superpeer lies. */
  | { readonly kind: 'doubtful'; readonly client: W }
  /** Nobody lies; the packet tells where the client's count has come to. */
  | { readonly kind: 'counts'; readonly client: W; readonly sequence: number };

export type Verdict<W> =
  | { readonly kind: 'guilty'; readonly reason: Guilt }
  | { readonly kind: 'unanswered' }
  /** Nothing against the superpeer; what there is to say of clients. */
  | { readonly kind: 'clients'; readonly findings: readonly Finding<W>[] };

/** A bad round as it came. The superpeer named the slots whose manifest byte is not 0. */
export interface BadRound<W> {
  readonly number: number;
  readonly at: Micros;
  /** By slot. */
  readonly manifest: Uint8Array;
  /** X. */
  readonly sum: Uint8Array;
  /** By slot: who had it when the round came. */
  readonly clients: readonly (W | undefined)[];
  /** By slot: the superpeer has long known that nobody has it. */
  readonly deserted: readonly boolean[];
  /** Who was allowed to speak. */
  readonly speaker: W | undefined;
}

/** One round under audit. */
export class Audit<W extends Witness> {
  readonly round: BadRound<W>;
  readonly #geometry: Geometry;
  /** s, T, B by slot. BOUNDED: by the slots. */
  readonly #shown: (Buffer | undefined)[];
  #missing: number;

  constructor(round: BadRound<W>, geometry: Geometry) {
    this.round = round;
    this.#geometry = geometry;
    this.#shown = new Array(round.manifest.length).fill(undefined);
    this.#missing = round.manifest.reduce((count, byte) => count + (byte === 0 ? 0 : 1), 0);
  }

  /** Takes s, T and B of a slot, the first that is shown; false if they are not needed. */
  show(slot: number, packet: Uint8Array): boolean {
    const needed = slot < this.#shown.length && this.round.manifest[slot] !== 0 && !this.#shown[slot];
    if (needed) {
      this.#shown[slot] = Buffer.from(packet);
      this.#missing -= 1;
    }
    return needed;
  }

  get isComplete(): boolean {
    return this.#missing === 0;
  }

  judge(): Verdict<W> {
    if (!this.isComplete) return { kind: 'unanswered' };
    const { manifest, sum, clients, deserted } = this.round;
    const total = Buffer.from(sum);
    const findings: Finding<W>[] = [];
    let guilt: Guilt | undefined;
    for (const [slot, packet] of this.#shown.entries()) {
      if (!packet) continue;
      for (let i = 0; i < total.length; i += 1) total[i]! ^= packet[PACKET_HEADER_BYTES + i]!;
      if (manifest[slot] !== (MANIFEST_PRESENT | (packet[3]! & MANIFEST_SEQUENCE_MASK))) guilt ??= 'manifest';
      if (deserted[slot]) guilt ??= 'deserted';
      const client = clients[slot];
      const finding = client && this.#packet(client, packet);
      if (finding === 'replayed') guilt ??= finding;
      else if (finding) findings.push(finding);
    }
    if (total.some((byte) => byte !== 0)) guilt ??= 'sum';
    return guilt ? { kind: 'guilty', reason: guilt } : { kind: 'clients', findings };
  }

  #packet(client: W, packet: Buffer): Finding<W> | 'replayed' {
    const { mix, mixPlain } = this.#geometry;
    const sequence = packet.readUInt32BE(0);
    const coded = packet.subarray(PACKET_HEADER_BYTES);
    const key = client.audit.at(sequence);
    const keystream = client.coding.at(sequence);
    if (!key || !keystream) return { kind: 'doubtful', client };
    const tag = Buffer.alloc(AEAD_TAG_BYTES);
    key.seal(tag, 0, 0, sequence, coded);
    const shown = packet.subarray(COUNTER_BYTES, PACKET_HEADER_BYTES);
    if (!timingSafeEqual(tag.subarray(0, AUDIT_TAG_BYTES), shown)) return { kind: 'doubtful', client };
    if (client.codingWindow.has(sequence)) return 'replayed';
    const ticks = (this.round.at - client.attachedAt) / TICK_US;
    if (sequence - client.firstSequence > ticks * AHEAD_RATIO + AHEAD_TICKS) return { kind: 'jams', client };
    const words = new Uint32Array(mix / 4);
    const plain = Buffer.from(words.buffer);
    coded.copy(plain);
    keystream.xorInto(words, 0, sequence);
    if (words.every((word) => word === 0)) return { kind: 'counts', client, sequence };
    if (!client.cellReceive.at(sequence)?.open(plain, 0, mixPlain, sequence)) return { kind: 'jams', client };
    return client === this.round.speaker ? { kind: 'counts', client, sequence } : { kind: 'doubtful', client };
  }
}

/** Counts a channel's bad rounds and carries out its audits, one at a time. */
export class Auditor<W extends Witness> {
  readonly #geometry: Geometry;
  /** When the last bad rounds came, in a ring. */
  readonly #badAt = new Float64Array(BAD_ROUNDS_MAX + 1).fill(Number.NEGATIVE_INFINITY);
  #badNext = 0;
  #audit: { readonly audit: Audit<W>; readonly until: Micros; asks: number; heardAt: Micros } | undefined;
  #unanswered = 0;

  constructor(geometry: Geometry) {
    this.#geometry = geometry;
  }

  /** A round was bad. True if there have been too many and an audit begins, of the round that `round` gives. */
  bad(now: Micros, round: () => BadRound<W>): boolean {
    this.#badAt[this.#badNext] = now;
    this.#badNext = (this.#badNext + 1) % this.#badAt.length;
    if (this.#audit || now - this.#badAt[this.#badNext]! > BAD_ROUNDS_US) return false;
    this.#badAt.fill(Number.NEGATIVE_INFINITY);
    const audit = new Audit(round(), this.#geometry);
    const until = now + ASKS_MAX * (ASK_AGAIN_US + audit.round.manifest.length * TICK_US);
    this.#audit = { audit, until, asks: 0, heardAt: Number.NEGATIVE_INFINITY };
    return true;
  }

  /** An AUDITED's round and slot, and its s, T and B; false if nobody has asked for it. */
  shown(now: Micros, number: number, slot: number, packet: Uint8Array): boolean {
    const running = this.#audit;
    if (running?.audit.round.number !== number) return false;
    if (running.audit.show(slot, packet)) running.heardAt = now;
    return true;
  }

  /** Once per tick: the number of a round that AUDIT is to name now, or the verdict of an audit that is over. */
  tick(now: Micros): { readonly ask: number } | Verdict<W> | undefined {
    const running = this.#audit;
    if (!running) return undefined;
    const { audit } = running;
    if (!audit.isComplete && now < running.until) {
      if (now - running.heardAt <= ASK_AGAIN_US) return undefined;
      if (running.asks < ASKS_MAX) {
        running.asks += 1;
        running.heardAt = now;
        return { ask: audit.round.number };
      }
    }
    this.#audit = undefined;
    const verdict = audit.judge();
    this.#unanswered = verdict.kind === 'unanswered' ? this.#unanswered + 1 : 0;
    return this.#unanswered >= UNANSWERED_MAX ? { kind: 'guilty', reason: 'unanswered' } : verdict;
  }
}

/** Marks against a superpeer are forgotten after this time. */
const JURY_US = 3600 * SECOND_US;
const MARKS_MIN = 3;

/**
 * The marks that the clients of a channel give its superpeer.
 *
 * Who is attached when the first mark is given makes up the jury for an hour, and only its members' marks count, one
 * each: a session costs a client nothing, so one that came back under another name could otherwise be a majority by
 * itself. More than half of them, and three at least, expel the superpeer: two clients must not be able to take an
 * honest one away from the zone, and each of them has left it anyhow.
 */
export class Jury {
  #since = Number.NEGATIVE_INFINITY;
  /** Members, and whether they have given a mark. BOUNDED: by the slots of the channel. */
  #members = new Map<string, boolean>();

  /** `session` gives a mark while `attached` are there, itself among them. True if that is enough. */
  mark(now: Micros, session: string, attached: Iterable<string>): boolean {
    if (now - this.#since > JURY_US) {
      this.#since = now;
      this.#members = new Map([...attached].map((member) => [member, false]));
    }
    if (this.#members.has(session)) this.#members.set(session, true);
    const marks = [...this.#members.values()].filter((marked) => marked).length;
    return marks >= MARKS_MIN && marks * 2 > this.#members.size;
  }
}
