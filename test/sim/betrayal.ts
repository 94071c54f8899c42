import { type Micros, SECOND_US } from '../../nodes/core/units.ts';
import type { Mix, MixEvent } from '../../nodes/mix/mix.ts';
import { Liar, type Lies } from './liar.ts';
import { Pair, type PairPlan } from './pair.ts';
import type { SeededRandom } from './random.ts';
import type { Checker } from './scenario.ts';
import type { Network, SimNode } from './zones.ts';

/** The bar of network.md 1.9, with k = 3. */
export const GAP_MS_MAX = 150;
const BYSTANDERS = 10;

/** What the mixes of a network find, and what the directories make of it: an expelled superpeer is listed no more. */
export class Verdicts {
  /** By superpeer: why, and when the first mix said so. */
  readonly expelled = new Map<string, { readonly reason: MixEvent['reason']; readonly at: Micros }>();
  readonly #network: Network;

  constructor(network: Network) {
    this.#network = network;
  }

  /** Runs for so many seconds or until `done`. */
  run(seconds: number, done: () => boolean = () => false): boolean {
    return this.#network.run(seconds, () => {
      this.#collect();
      return done();
    });
  }

  /** What all mixes have found so far. */
  get counts(): { started: number; guilty: number; jams: number; doubtful: number } {
    const sum = { started: 0, guilty: 0, jams: 0, doubtful: 0 };
    for (const mix of this.#mixes()) {
      const found = mix.audits();
      for (const kind of Object.keys(sum) as (keyof typeof sum)[]) sum[kind] += found[kind];
    }
    return sum;
  }

  #mixes(): Mix[] {
    return [...this.#network.nodes.values()].flatMap(({ described, machine }) =>
      described.role === 'mix' ? [machine as Mix] : [],
    );
  }

  #collect(): void {
    for (const mix of this.#mixes()) {
      for (let event = mix.poll(); event; event = mix.poll()) {
        if (this.expelled.has(event.superpeer)) continue;
        this.expelled.set(event.superpeer, { reason: event.reason, at: this.#network.world.now });
        this.#network.retire(event.superpeer);
      }
    }
  }
}

/** What a superpeer does from some instant on. */
export interface Deed {
  readonly what: string;
  readonly lies: (random: SeededRandom, pair: Pair) => Lies;
  /** For how long it does it, or until it is expelled. */
  readonly seconds: number;
}

export interface Outcome {
  readonly pair: Pair;
  readonly verdicts: Verdicts;
  readonly began: Micros;
  /** Why the superpeer was expelled and after how many seconds. */
  readonly reason: MixEvent['reason'] | undefined;
  readonly expelledAfterS: number;
  /** The longest run of missing frames that one of the two heard. */
  readonly gapMs: number;
}

/**
 * A call between two zones, or everything but a call, and the superpeer under the caller turns on its clients. Three
 * seconds after it was expelled, or when its time is up, it is looked at what came of it. Whatever it does, no frame is
 * heard that was not spoken, nobody else is expelled, no client is said to jam, and the call goes on.
 */
export function betray(seed: string, check: Checker, deed: Deed, calling: boolean, plan: PairPlan = {}): Outcome {
  const { what } = deed;
  const pair = new Pair(seed, check, { choices: 4, bystanders: BYSTANDERS, ...plan });
  const { network, callerHears, calleeHears } = pair;
  pair.begin(calling);
  const superpeer = calling ? network.superpeer('eu', pair.channels().caller) : busiest(network);
  const verdicts = new Verdicts(network);
  const began = network.world.now;
  superpeer.host.machine = new Liar(superpeer.machine, deed.lies(network.world.randomFor('lies'), pair));
  verdicts.run(deed.seconds, () => verdicts.expelled.has(superpeer.id));
  verdicts.run(3);
  const found = verdicts.expelled.get(superpeer.id);
  for (const listener of [callerHears, calleeHears]) listener.checkNames(check);
  for (const id of verdicts.expelled.keys()) check.expect(id === superpeer.id, `${what}: ${id} is expelled`);
  check.expect(verdicts.counts.jams === 0, `${what}: ${verdicts.counts.jams} honest clients are said to jam`);
  check.expect(!calling || pair.talking, `${what}: the call is over`);
  const since = began - SECOND_US;
  return {
    pair,
    verdicts,
    began,
    reason: found?.reason,
    expelledAfterS: found ? (found.at - began) / SECOND_US : Number.NaN,
    gapMs: Math.max(callerHears.longestGapMs(since), calleeHears.longestGapMs(since)),
  };
}

/** The superpeer in `eu` that has the most clients. */
export function busiest(network: Network): SimNode<ReturnType<Network['superpeer']>['machine']> {
  const all = [...network.nodes.keys()]
    .filter((id) => id.startsWith('eu-superpeer-'))
    .map((_, at) => network.superpeer('eu', at + 1));
  return all.sort((a, b) => b.machine.clients() - a.machine.clients())[0]!;
}
