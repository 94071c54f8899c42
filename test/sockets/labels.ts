import { MILLISECOND_US, type Micros, SECOND_US } from '../../nodes/core/units.ts';
import type { SwarmStep } from './swarm.ts';

/** What the swarm tells of its clients, as stretches of time in which one thing is true of a client or of a link. */
export interface Stretch {
  readonly from: Micros;
  readonly to: Micros;
}

export type ClientClass = 'idle' | 'ringing' | 'calling' | 'hanging up';

export interface ClientStretch extends Stretch {
  readonly port: number;
  readonly is: ClientClass;
}

/** The end of a call, as long as it may be seen: END is said for half a second, the channel drains, signals take turns. */
const HANGING_UP_US = SECOND_US;
/** Around a change on a link between nodes: what is under way, and channels that drain. */
const MARGIN_US = 300 * MILLISECOND_US;

interface Held extends Stretch {
  readonly step: SwarmStep;
}

/** Each client's steps with their ends; BOUNDED: by the steps. */
function held(steps: readonly SwarmStep[], end: Micros): Map<number, Held[]> {
  const byPort = Map.groupBy(
    steps.toSorted((a, b) => a.at - b.at),
    ({ port }) => port,
  );
  return new Map(
    [...byPort].map(([port, own]) => [
      port,
      own.map((step, index) => ({ step, from: step.at, to: own[index + 1]?.at ?? end })),
    ]),
  );
}

/**
 * What each client does. Ringing is all that comes before a call is up, at either end, and also what never comes up;
 * hanging up is the second after a call.
 */
export function clientStretches(steps: readonly SwarmStep[], end: Micros): ClientStretch[] {
  const stretches: ClientStretch[] = [];
  for (const [port, own] of held(steps, end)) {
    let last: { is: ClientClass; from: Micros } | undefined;
    const change = (at: Micros, is: ClientClass) => {
      if (last?.is === is) return;
      if (last) stretches.push({ port, is: last.is, from: last.from, to: at });
      last = { is, from: at };
    };
    let overAt: Micros | undefined;
    for (const { step, from } of own) {
      if (overAt !== undefined && from >= overAt + HANGING_UP_US) {
        change(overAt + HANGING_UP_US, 'idle');
        overAt = undefined;
      }
      const rests = step.state === 'idle' || step.state === 'ending';
      if (step.state === 'talking') change(from, 'calling');
      else if (!rests) change(from, 'ringing');
      else if (last && last.is !== 'idle' && last.is !== 'hanging up') change(from, 'hanging up');
      else if (!last) change(from, 'idle');
      overAt = rests ? (overAt ?? from) : undefined;
    }
    if (overAt !== undefined) change(Math.min(end, overAt + HANGING_UP_US), 'idle');
    if (last) stretches.push({ port, is: last.is, from: last.from, to: end });
  }
  return stretches.filter(({ from, to }) => to > from);
}

/** By the two ends' ports, lower first: when cells of calls pass between two nodes. */
export function linkUses(steps: readonly SwarmStep[], end: Micros): Map<string, Stretch[]> {
  const uses = new Map<string, Stretch[]>();
  const use = (a: number, b: number, { from, to }: Stretch) => {
    const key = linkKey(a, b);
    const known = uses.get(key);
    if (known) known.push({ from, to });
    else uses.set(key, [{ from, to }]);
  };
  const all = held(steps, end);
  for (const own of all.values()) {
    for (const stretch of own) {
      const { over, mix, rendezvous, peer, port } = stretch.step;
      if (mix === undefined || rendezvous === undefined) continue;
      for (const superpeer of over) use(superpeer, mix, stretch);
      use(mix, rendezvous, stretch);
      if (peer === undefined || peer < port) continue;
      for (const other of all.get(peer) ?? []) {
        const [from, to] = [Math.max(stretch.from, other.from), Math.min(stretch.to, other.to)];
        const far = other.step.rendezvous;
        if (from < to && other.step.peer === port && far !== undefined && far !== rendezvous)
          use(rendezvous, far, { from, to });
      }
    }
  }
  return uses;
}

export function linkKey(a: number, b: number): string {
  return `${Math.min(a, b)} ${Math.max(a, b)}`;
}

/** When a link carries calls and when none, each shorter by a margin at both ends. */
export function busyAndQuiet(
  uses: readonly Stretch[],
  start: Micros,
  end: Micros,
): { busy: Stretch[]; quiet: Stretch[] } {
  const busy: { from: Micros; to: Micros }[] = [];
  for (const { from, to } of uses.toSorted((a, b) => a.from - b.from)) {
    const last = busy.at(-1);
    if (last && from <= last.to) last.to = Math.max(last.to, to);
    else busy.push({ from, to });
  }
  const quiet = [start, ...busy.map(({ to }) => to)].map((from, index) => ({ from, to: busy[index]?.from ?? end }));
  const shorter = ({ from, to }: Stretch) => ({
    from: Math.max(start, from + MARGIN_US),
    to: Math.min(end, to - MARGIN_US),
  });
  const whole = (stretches: readonly Stretch[]) => stretches.map(shorter).filter(({ from, to }) => to > from);
  return { busy: whole(busy), quiet: whole(quiet) };
}
