import type { Consensus, ConsensusNode } from '../config/consensus.ts';
import { cookieOf, parseContact, rendezvousOf, staying } from '../config/contact.ts';
import type { DropCounters } from '../core/drop.ts';
import { draw, type Entropy } from '../core/machine.ts';
import { MILLISECOND_US, type Micros, SECOND_US } from '../core/units.ts';
import { type Identity, KEY_BYTES } from '../crypto/keys.ts';
import { Handshake } from '../crypto/noise.ts';
import {
  CALL_RUNG_FIRST,
  COOKIE_BYTES,
  E1_BYTES,
  E1_TIME_BYTES,
  E2_BYTES,
  type Geometry,
  NODE_TAG_BYTES,
  PROLOGUE,
  RELAY_COMMAND,
  RELAY_HEADER_BYTES,
} from '../wire/constants.ts';
import { EndToEnd, shortAuthenticationString, type VoiceIo } from './call.ts';

/**
 * The calls of one client (network.md 1.7, WIRE.md 5): at most one at a time, placed or rung, and what is said in each
 * tick for it. It knows rendezvous and relay cells, not channels.
 *
 * Property: a caller who is not answered learns nothing of why. Busy, declined, blocked, unknown, replayed: silence.
 */
const GRANT_WAIT_US = 5 * SECOND_US;
const RING_WAIT_US = 30 * SECOND_US;
/** A call that nobody rings for any more has been cancelled, or its caller is gone. */
const RUNG_SILENCE_US = 3 * SECOND_US;
const CALL_SILENCE_US = 10 * SECOND_US;
/** Silence after which the caller looks for another way to the callee. */
const REJOIN_AFTER_US = SECOND_US / 2;
/** SETUP and ANSWER are repeated this often: 200 ms, about one round trip. */
const REPEAT_TICKS = 10;
/** Two ways that have no rendezvous in common are tried at once, and left standing until an answer would have come. */
const REJOIN_TICKS = 25;
const REJOIN_SECOND_TICKS = 5;
/** One that has to leave its rendezvous asks over another so often: each time a frame has to wait. */
const LEAVE_TICKS = 50;
/** SETUPs over the first choice of rendezvous before the others are tried as well. */
const FIRST_WAY_SETUPS = 5;
/** END is said for half a second: longer than a stall that empties queues, shorter than anybody redials. */
const END_TICKS = 25;
/** Without a channel END cannot be said; the other side misses us then, and the user may call again. */
const END_UNSAID_TICKS = 100;
/** Clocks of two clients may differ by 5 minutes each way (network.md 6, case 9). */
const E1_AGE_MS = 10 * 60 * 1000;
/** BOUNDED: callers whose last E1 is remembered; the longest unheard makes room. */
const CALLERS_MAX = 1024;
/** BOUNDED: E1s that were refused, so that their repetitions cost nothing. */
const REFUSED_MAX = 64;
export const NO_VOICE: VoiceIo = { next: (into) => into.fill(0xff), heard: () => {} };

/** A call's name at one of our rendezvous. */
interface Route {
  readonly rendezvousTag: string;
  readonly number: number;
}

interface Outgoing {
  readonly handshake: Handshake;
  readonly e1: Buffer;
  readonly cookie: Buffer;
  readonly calleeZone: string;
  readonly calleeKey: Buffer;
  readonly number: number;
  setups: number;
  /** Ticks since the call fell silent; 0 while it is not. */
  silentTicks: number;
  /** Ticks since its rendezvous of ours is not the one to use; 0 while it is. */
  leavingTicks: number;
}

type CallState =
  | { readonly kind: 'idle' }
  /** Wants a channel. */
  | { readonly kind: 'requesting'; readonly outgoing: Outgoing; readonly since: Micros }
  /** Has a channel, repeats SETUP. */
  | { readonly kind: 'calling'; readonly outgoing: Outgoing; readonly since: Micros; ticks: number }
  /** Is rung and has not answered. */
  | {
      readonly kind: 'ringing';
      readonly handshake: Handshake;
      readonly e1: Buffer;
      readonly caller: Buffer;
      route: Route;
      /** When something last came by it. */
      routeHeardAt: Micros;
      rungAt: Micros;
    }
  /** Keys are agreed. `answer` is repeated by the callee until the caller is heard. */
  | {
      readonly kind: 'talking';
      readonly endToEnd: EndToEnd;
      readonly e1: Buffer;
      /** The caller, who looks for another way when the call falls silent or its rendezvous drains. */
      readonly outgoing: Outgoing | undefined;
      readonly peer: Buffer;
      route: Route;
      /** When something last came by it. */
      routeHeardAt: Micros;
      answer: Buffer | undefined;
      ticks: number;
      heardAt: Micros;
    }
  /** Says END a few times. */
  | { readonly kind: 'ending'; readonly route: Route; ticks: number; unsaidTicks: number };

export type CallEnd = 'hung-up' | 'peer-hung-up' | 'no-channel' | 'not-answered' | 'declined' | 'cancelled' | 'lost';

export type CallEvent =
  /** Somebody calls: their end-to-end key, to be looked up among the contacts. */
  | { readonly kind: 'ringing'; readonly caller: Buffer }
  | { readonly kind: 'call-up'; readonly incoming: boolean; readonly authenticationString: string }
  | { readonly kind: 'call-ended'; readonly reason: CallEnd };

export interface SignallingOptions {
  readonly identity: Identity;
  readonly entropy: Entropy;
  readonly drops: DropCounters;
  readonly geometry: Geometry;
  readonly cookie: Buffer;
  readonly consensusOf: (zone: string) => Consensus | undefined;
  readonly ownRendezvous: () => readonly ConsensusNode[];
  /** Whether relay cells reach that rendezvous of ours just now. */
  readonly reaches: (rendezvousTag: string) => boolean;
  readonly tell: (event: CallEvent) => void;
}

export class Signalling {
  readonly #options: SignallingOptions;
  #call: CallState = { kind: 'idle' };
  #nextNumber = 1;
  /** By caller: the clock of its newest E1. BOUNDED: CALLERS_MAX. */
  readonly #callers = new Map<string, number>();
  /** First bytes of E1s. BOUNDED: REFUSED_MAX, the oldest makes room. */
  readonly #refused = new Set<string>();
  /** End-to-end keys whose calls are not heard. */
  blocked: ReadonlySet<string> = new Set();
  /** Voice of the present or next call. */
  voice: VoiceIo = NO_VOICE;
  readonly #plain: Buffer;

  constructor(options: SignallingOptions) {
    this.#options = options;
    this.#plain = Buffer.alloc(options.geometry.relayPlain);
  }

  get state(): CallState['kind'] {
    return this.#call.kind;
  }

  /** Whether a channel is wanted. */
  get wants(): boolean {
    return this.#call.kind !== 'idle';
  }

  // What the user does

  place(now: Micros, contactText: string): { refused: string } | undefined {
    const contact = parseContact(contactText);
    if ('refused' in contact) return contact;
    if (this.#call.kind !== 'idle') return { refused: 'a call is in progress' };
    const consensus = this.#options.consensusOf(contact.zone);
    if (!consensus) return { refused: `zone ${contact.zone} is not known to the own zone's directory` };
    const cookie = cookieOf(contact.endToEndKey);
    if (rendezvousOf(cookie, consensus).length === 0) return { refused: `zone ${contact.zone} has no rendezvous` };
    const handshake = new Handshake({
      pattern: 'IK',
      initiator: true,
      prologue: PROLOGUE.call,
      local: this.#options.identity.endToEnd,
      remote: contact.endToEndKey,
    });
    const time = Buffer.alloc(E1_TIME_BYTES);
    time.writeBigUInt64BE(BigInt(Math.floor(now / MILLISECOND_US)));
    const e1 = handshake.write(time, draw(this.#options.entropy, KEY_BYTES));
    if (!e1) return { refused: "the contact's key cannot be used" };
    const number = this.#nextNumber;
    this.#nextNumber = (number % (CALL_RUNG_FIRST - 1)) + 1;
    const { endToEndKey: calleeKey, zone: calleeZone } = contact;
    const outgoing = {
      handshake,
      e1,
      cookie,
      calleeZone,
      calleeKey,
      number,
      setups: 0,
      silentTicks: 0,
      leavingTicks: 0,
    };
    this.#call = { kind: 'requesting', outgoing, since: now };
    return undefined;
  }

  /** Takes the call that rings; false if none does. */
  answer(now: Micros): boolean {
    const call = this.#call;
    if (call.kind !== 'ringing') return false;
    const { handshake, e1, caller, route } = call;
    const answer = handshake.write(new Uint8Array(0), draw(this.#options.entropy, KEY_BYTES))!;
    const endToEnd = new EndToEnd(this.#options.geometry, handshake.split());
    const outgoing = undefined;
    const heard = { heardAt: now, routeHeardAt: now };
    this.#call = { kind: 'talking', endToEnd, e1, outgoing, peer: caller, route, answer, ticks: 0, ...heard };
    this.#up(true, handshake);
    return true;
  }

  /** Ends whatever call there is; one that rings is declined. */
  hangUp(): void {
    const call = this.#call;
    if (call.kind === 'requesting') this.#idle('hung-up');
    else if (call.kind === 'calling') this.#end({ ...this.#ownRoute(call.outgoing) }, 'hung-up');
    else if (call.kind === 'talking') this.#end(call.route, 'hung-up');
    else if (call.kind === 'ringing') {
      this.#refuse(call.e1);
      this.#idle('declined');
    }
  }

  // What time and the channel do

  tick(now: Micros, granted: boolean, refused: boolean): void {
    const call = this.#call;
    switch (call.kind) {
      case 'requesting':
        if (granted) this.#call = { kind: 'calling', outgoing: call.outgoing, since: now, ticks: 0 };
        else if (refused || now - call.since > GRANT_WAIT_US) this.#idle('no-channel');
        return;
      case 'calling':
        if (now - call.since > RING_WAIT_US) this.#end(this.#ownRoute(call.outgoing), 'not-answered');
        return;
      case 'ringing':
        if (now - call.rungAt > RUNG_SILENCE_US) this.#idle('cancelled');
        return;
      case 'talking':
        if (now - call.heardAt > CALL_SILENCE_US) this.#end(call.route, 'lost');
        return;
      case 'ending':
        if (!granted) call.unsaidTicks += 1;
        if (call.unsaidTicks > END_UNSAID_TICKS) this.#call = { kind: 'idle' };
        return;
      default:
        return;
    }
  }

  // What the rendezvous says

  /** A relay cell in the clear: command, call, zero, body. */
  take(now: Micros, rendezvousTag: string, plain: Buffer): void {
    const number = plain[1]!;
    const body = plain.subarray(RELAY_HEADER_BYTES);
    switch (plain[0]) {
      case RELAY_COMMAND.ring:
        return this.#rung(now, { rendezvousTag, number }, body.subarray(0, E1_BYTES));
      case RELAY_COMMAND.answer:
        return this.#answered(now, { rendezvousTag, number }, body.subarray(0, E2_BYTES));
      case RELAY_COMMAND.voice:
        return this.#heard(now, { rendezvousTag, number }, body);
      case RELAY_COMMAND.end:
        return this.#ended({ rendezvousTag, number });
      default:
        return;
    }
  }

  #rung(now: Micros, route: Route, e1: Buffer): void {
    const call = this.#call;
    if ((call.kind === 'ringing' || call.kind === 'talking') && call.e1.equals(e1)) {
      // The same call by another way: the caller's, or our, rendezvous has died.
      if (call.kind === 'ringing') call.rungAt = now;
      return this.#follow(now, call, route);
    }
    const glare = call.kind === 'requesting' || call.kind === 'calling' ? call.outgoing : undefined;
    if ((call.kind !== 'idle' && !glare) || this.#refused.has(nameOf(e1))) return;
    const handshake = new Handshake({
      pattern: 'IK',
      initiator: false,
      prologue: PROLOGUE.call,
      local: this.#options.identity.endToEnd,
    });
    const time = handshake.read(e1);
    const caller = handshake.remoteStatic;
    if (!time || !caller) {
      this.#refuse(e1);
      return this.#options.drops.add('bad_handshake');
    }
    if (glare && (!caller.equals(glare.calleeKey) || this.#isLower(caller))) return;
    if (this.blocked.has(caller.toString('hex'))) return this.#refuse(e1);
    if (!this.#isNew(now, caller, Number(time.readBigUInt64BE()))) {
      this.#refuse(e1);
      return this.#options.drops.add('replayed');
    }
    const rung = { e1: Buffer.from(e1), caller: Buffer.from(caller), rungAt: now };
    this.#call = { kind: 'ringing', handshake, ...rung, route, routeHeardAt: now };
    // Both have called: who called wants to talk, so there is nobody to ask.
    if (glare) this.answer(now);
    else this.#options.tell({ kind: 'ringing', caller: Buffer.from(caller) });
  }

  /** Of two who call each other, whether the call that counts is ours. */
  #isLower(peer: Buffer): boolean {
    return this.#options.identity.endToEnd.publicKey.compare(peer) < 0;
  }

  #isNew(now: Micros, caller: Buffer, clockMs: number): boolean {
    const name = caller.toString('hex');
    const newest = this.#callers.get(name) ?? 0;
    if (clockMs <= newest || Math.abs(clockMs - now / MILLISECOND_US) > E1_AGE_MS) return false;
    this.#callers.delete(name);
    if (this.#callers.size === CALLERS_MAX) this.#callers.delete(this.#callers.keys().next().value!);
    this.#callers.set(name, clockMs);
    return true;
  }

  #refuse(e1: Buffer): void {
    if (this.#refused.size === REFUSED_MAX) this.#refused.delete(this.#refused.keys().next().value!);
    this.#refused.add(nameOf(e1));
  }

  #answered(now: Micros, route: Route, second: Buffer): void {
    const call = this.#call;
    if (call.kind !== 'calling' || route.number !== call.outgoing.number) return;
    const { handshake, e1, calleeKey: peer } = call.outgoing;
    if (!handshake.read(second)) return this.#options.drops.add('bad_handshake');
    const endToEnd = new EndToEnd(this.#options.geometry, handshake.split());
    const { outgoing } = call;
    const heard = { heardAt: now, routeHeardAt: now };
    this.#call = { kind: 'talking', endToEnd, e1, outgoing, peer, route, answer: undefined, ticks: 0, ...heard };
    this.#up(false, handshake);
  }

  #heard(now: Micros, route: Route, body: Buffer): void {
    const call = this.#call;
    if (call.kind !== 'talking') return;
    if (!call.endToEnd.open(now, body, this.voice)) return this.#options.drops.add('bad_tag');
    call.heardAt = now;
    call.answer = undefined;
    this.#follow(now, call, route);
  }

  /** We speak where we are heard from; what is still under way over one that drains does not lead the call back there. */
  #follow(now: Micros, call: Extract<CallState, { kind: 'ringing' | 'talking' }>, route: Route): void {
    const isStaying = now - call.routeHeardAt < REJOIN_AFTER_US && this.#isOurs(call.route);
    if (isStaying && route.rendezvousTag !== call.route.rendezvousTag && !this.#isOurs(route)) return;
    call.route = route;
    call.routeHeardAt = now;
  }

  #ended(route: Route): void {
    const call = this.#call;
    if (call.kind === 'calling') {
      if (route.number === call.outgoing.number) this.#idle('peer-hung-up');
    } else if (call.kind === 'talking' || call.kind === 'ringing') {
      if (route.number !== call.route.number || route.rendezvousTag !== call.route.rendezvousTag) return;
      this.#idle(call.kind === 'ringing' ? 'cancelled' : 'peer-hung-up');
    }
  }

  // What is said

  /** This tick's relay cell, in the clear, and the rendezvous it is for; undefined when there is nothing to say. */
  next(now: Micros): { rendezvousTag: string; plain: Buffer } | undefined {
    const call = this.#call;
    const plain = this.#plain.fill(0);
    switch (call.kind) {
      case 'idle':
      case 'requesting':
        return undefined;
      case 'calling':
        call.ticks += 1;
        if (call.ticks % REPEAT_TICKS === 1) return this.#setup(call.outgoing);
        return this.#say(RELAY_COMMAND.pad, this.#ownRoute(call.outgoing));
      case 'ringing':
        return this.#say(RELAY_COMMAND.pad, call.route);
      case 'talking':
        return this.#talk(now, call);
      case 'ending':
        call.ticks += 1;
        if (call.ticks >= END_TICKS) this.#call = { kind: 'idle' };
        plain[0] = RELAY_COMMAND.end;
        plain[1] = call.route.number;
        return { rendezvousTag: call.route.rendezvousTag, plain };
    }
  }

  #talk(now: Micros, call: Extract<CallState, { kind: 'talking' }>) {
    call.ticks += 1;
    const silent = now - call.heardAt > REJOIN_AFTER_US || !this.#options.reaches(call.route.rendezvousTag);
    if (call.outgoing && silent) {
      const turn = call.outgoing.silentTicks % REJOIN_TICKS;
      call.outgoing.silentTicks += 1;
      if (turn === 0 || turn === REJOIN_SECOND_TICKS) return this.#setup(call.outgoing);
    } else if (call.outgoing) {
      call.outgoing.silentTicks = 0;
      // Whoever looks for a way later has just lost the first one.
      call.outgoing.setups = FIRST_WAY_SETUPS + 1;
      if (this.#leaves(call.outgoing, call.route)) return this.#setupElsewhere(call.outgoing);
    }
    if (call.answer) {
      // Voice waits until the caller has the keys: what is sent before would be lost.
      if (call.ticks % REPEAT_TICKS !== 1) return this.#say(RELAY_COMMAND.pad, call.route);
      call.answer.copy(this.#plain, RELAY_HEADER_BYTES);
      return this.#say(RELAY_COMMAND.answer, call.route);
    }
    call.endToEnd.seal(now, this.#plain.subarray(RELAY_HEADER_BYTES), this.voice);
    return this.#say(RELAY_COMMAND.voice, call.route);
  }

  #say(command: number, { rendezvousTag, number }: Route) {
    this.#plain[0] = command;
    this.#plain[1] = number;
    return { rendezvousTag, plain: this.#plain };
  }

  /**
   * SETUP by the way whose turn it is. First both primary rendezvous; then both backups, the primaries again, and across:
   * whichever two in a row have none in common, so the one does not undo what the other has joined.
   */
  #setup(outgoing: Outgoing) {
    const turn = outgoing.setups - FIRST_WAY_SETUPS;
    outgoing.setups += 1;
    const ownBackup = turn > 0 ? turn % 2 : 0;
    const across = turn > 0 ? Math.floor((turn - 1) / 2) % 2 : 0;
    const theirs = this.#theirs(outgoing);
    const ours = this.#ours();
    return this.#setupOver(outgoing, ours[ownBackup] ?? ours[0], theirs[(ownBackup + across) % 2] ?? theirs[0]);
  }

  /** Whether it is time to ask over another rendezvous of ours, because there is a better one than the call's. */
  #leaves(outgoing: Outgoing, route: Route): boolean {
    if (this.#isOurs(route)) outgoing.leavingTicks = 0;
    else outgoing.leavingTicks += 1;
    return outgoing.leavingTicks % LEAVE_TICKS === 1;
  }

  /**
   * SETUP for a call that goes on over the present way until something comes by the new one; if nothing does, to where
   * the callee may still be.
   */
  #setupElsewhere(outgoing: Outgoing) {
    const turn = Math.floor(outgoing.leavingTicks / LEAVE_TICKS);
    const theirs = this.#theirs(outgoing);
    return this.#setupOver(outgoing, this.#ours()[0], theirs[turn % 2] ?? theirs[0]);
  }

  #theirs({ calleeZone, cookie }: Outgoing): readonly ConsensusNode[] {
    const consensus = this.#options.consensusOf(calleeZone);
    return consensus ? rendezvousOf(cookie, consensus) : [];
  }

  /** Rendezvous of ours that cells reach, the first choice first; those that drain only where there are no others. */
  #ours(): readonly ConsensusNode[] {
    return staying(this.#options.ownRendezvous().filter(({ tag }) => this.#options.reaches(tag)));
  }

  #isOurs({ rendezvousTag }: Route): boolean {
    return this.#ours().some(({ tag }) => tag === rendezvousTag);
  }

  #setupOver(outgoing: Outgoing, own: ConsensusNode | undefined, target: ConsensusNode | undefined) {
    if (!target || !own) return undefined;
    const body = this.#plain.subarray(RELAY_HEADER_BYTES);
    body.write(target.tag, 0, NODE_TAG_BYTES, 'hex');
    outgoing.cookie.copy(body, NODE_TAG_BYTES);
    outgoing.e1.copy(body, NODE_TAG_BYTES + COOKIE_BYTES);
    return this.#say(RELAY_COMMAND.setup, { rendezvousTag: own.tag, number: outgoing.number });
  }

  #ownRoute({ number }: Outgoing): Route {
    return { rendezvousTag: this.#ours()[0]?.tag ?? '', number };
  }

  #up(incoming: boolean, handshake: Handshake): void {
    const authenticationString = shortAuthenticationString(handshake.channelBinding());
    this.#options.tell({ kind: 'call-up', incoming, authenticationString });
  }

  #end(route: Route, reason: CallEnd): void {
    this.#call = { kind: 'ending', route, ticks: 0, unsaidTicks: 0 };
    this.#options.tell({ kind: 'call-ended', reason });
  }

  #idle(reason: CallEnd): void {
    this.#call = { kind: 'idle' };
    this.#options.tell({ kind: 'call-ended', reason });
  }
}

/** An E1 by its ephemeral key: no two have the same. */
function nameOf(e1: Buffer): string {
  return e1.toString('hex', 0, KEY_BYTES);
}
