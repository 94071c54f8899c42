import type { Client } from '../nodes/client/client.ts';
import { type Micros, SECOND_US } from '../nodes/core/units.ts';
import type { SeededRandom } from './sim/random.ts';

/**
 * Calls among many clients: Poisson arrivals between two idle ones, exponential lengths, and what came of each call. The
 * same load for machines on real sockets and in the simulator.
 */
export interface LoadPlan {
  /** How long calls are placed, once all clients are attached. */
  readonly seconds: number;
  readonly callsPerSecond: number;
  /** Mean of the exponential length of a call. */
  readonly holdSeconds: number;
  /** A caller that is not put through gives up then. */
  readonly patienceSeconds: number;
  /** A call that rings is answered then; at once if not given. */
  readonly ringSeconds?: number;
}

export interface LoadMember {
  readonly machine: Client;
  readonly contact: string;
}

export type CallOutcome = 'up' | 'no-channel' | 'not-answered' | 'lost';

export interface LoadCall {
  readonly outcome: CallOutcome;
  readonly setUpMs: number | undefined;
  readonly heldMs: number;
}

interface LiveCall<M> {
  readonly caller: M;
  readonly callee: M;
  readonly placedAt: Micros;
  upAt: Micros | undefined;
  endAt: Micros;
}

const ATTACH_US = 120 * SECOND_US;
const SETTLE_US = 5 * SECOND_US;

export class Load<M extends LoadMember> {
  readonly #plan: LoadPlan;
  readonly #members: readonly M[];
  readonly #random: SeededRandom;
  readonly #over: (call: LoadCall) => void;
  readonly #began: Micros;
  /** By caller. BOUNDED: half of the members. */
  readonly #calls = new Map<M, LiveCall<M>>();
  /** Who is in a call with whom. BOUNDED: the members. */
  readonly #peers = new Map<M, M>();
  /** Since when it has been ringing at whom. BOUNDED: the members. */
  readonly #rung = new Map<M, Micros>();
  #wholeAt: Micros | undefined;
  #nextAt = 0;
  attachedMs = Number.NaN;

  /** `over` is told of every call when it is over. */
  constructor(
    now: Micros,
    plan: LoadPlan,
    members: readonly M[],
    random: SeededRandom,
    over: (call: LoadCall) => void,
  ) {
    this.#began = now;
    this.#plan = plan;
    this.#members = members;
    this.#random = random;
    this.#over = over;
  }

  peerOf(member: M): M | undefined {
    return this.#peers.get(member);
  }

  /** After each tick of a member: what its call has come to. */
  after(now: Micros, member: M): void {
    for (let event = member.machine.poll(); event; event = member.machine.poll()) {
      if (event.kind === 'ringing') this.#rung.set(member, now);
      const call = this.#calls.get(member);
      if (!call) continue;
      if (event.kind === 'call-up') {
        call.upAt = now;
        call.endAt = now + this.#exponential(this.#plan.holdSeconds);
      } else if (event.kind === 'call-ended') {
        const outcome =
          event.reason === 'no-channel' ? 'no-channel' : call.upAt !== undefined ? 'lost' : 'not-answered';
        this.#end(now, call, outcome);
      }
    }
    const rungAt = this.#rung.get(member);
    if (rungAt !== undefined && now - rungAt >= (this.#plan.ringSeconds ?? 0) * SECOND_US) {
      this.#rung.delete(member);
      member.machine.answer(now);
    }
    const call = this.#calls.get(member);
    if (!call || now < call.endAt) return;
    this.#end(now, call, call.upAt === undefined ? 'not-answered' : 'up');
    member.machine.hangUp();
  }

  /** Every tick or so; true when all is over. */
  tick(now: Micros): boolean {
    if (this.#wholeAt === undefined) {
      const isWhole = this.#members.every(({ machine }) => machine.attached);
      if (isWhole || now - this.#began > ATTACH_US) {
        this.#wholeAt = now + SETTLE_US;
        this.attachedMs = Math.round((now - this.#began) / 1000);
        this.#nextAt = this.#wholeAt + this.#exponential(1 / this.#plan.callsPerSecond);
      }
      return false;
    }
    const end = this.#wholeAt + this.#plan.seconds * SECOND_US;
    while (now >= this.#nextAt && this.#nextAt < end) {
      this.#place(now);
      this.#nextAt += this.#exponential(1 / this.#plan.callsPerSecond);
    }
    return now > end && this.#calls.size === 0;
  }

  #place(now: Micros): void {
    const idle = this.#members.filter((member) => !this.#peers.has(member) && member.machine.callState === 'idle');
    if (idle.length < 2) return;
    const caller = this.#random.pick(idle);
    const callee = this.#random.pick(idle.filter((member) => member !== caller));
    if (caller.machine.place(now, callee.contact)) return;
    this.#peers.set(caller, callee);
    this.#peers.set(callee, caller);
    const endAt = now + this.#plan.patienceSeconds * SECOND_US;
    this.#calls.set(caller, { caller, callee, placedAt: now, upAt: undefined, endAt });
  }

  #end(now: Micros, { caller, callee, upAt, placedAt }: LiveCall<M>, outcome: CallOutcome): void {
    this.#calls.delete(caller);
    this.#peers.delete(caller);
    this.#peers.delete(callee);
    const setUpMs = upAt === undefined ? undefined : Math.round((upAt - placedAt) / 1000);
    this.#over({ outcome, setUpMs, heldMs: Math.round((now - placedAt) / 1000) });
  }

  #exponential(meanSeconds: number): Micros {
    return -Math.log(1 - this.#random.next()) * meanSeconds * SECOND_US;
  }
}
