import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { MILLISECOND_US, type Micros, SECOND_US } from '../../../../nodes/core/units.ts';
import { Allocation, type Line, Party, type Place } from '../../../../nodes/mix/allocation.ts';
import { ASSIGNMENT_MODES, type AssignmentMode, TICK_US } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { linesOf, Stage } from './stage.ts';

/**
 * The allocation under anything that a mix may tell it, in any order, held to what network.md 1.8 says of lines. What
 * may be true of a line is worked out here anew, from what the parties have been told and from the rounds.
 */
const QUIET_ROUNDS = 10;
const SILENCE_US = 5 * SECOND_US;
const PLACE_SILENT_US = 50 * MILLISECOND_US;
const LATELY_US = SECOND_US;
const MOVE_PAUSE_US = 2 * SECOND_US;
const PROMISE_US = 2 * SECOND_US;
const PARTIES = 5;
const LINES = 4;
const PLACES = 3;

type Step =
  | { readonly kind: 'want' | 'reserve' | 'refuse' | 'end'; readonly who: number; readonly flag: boolean }
  | { readonly kind: 'leave' | 'join' | 'hears'; readonly who: number; readonly number: number; readonly line: number }
  | { readonly kind: 'round' | 'close' | 'shun' | 'leaving' | 'silent'; readonly line: number; readonly flag: boolean }
  | { readonly kind: 'wait'; readonly us: Micros };

const who = fc.nat(PARTIES - 1);
const number = fc.nat(PLACES - 1);
const line = fc.nat(LINES - 1);
const flag = fc.boolean();
const only = <K extends string>(...kinds: K[]) => fc.constantFrom(...kinds);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: only('want'), who, flag }) },
  { weight: 4, arbitrary: fc.record({ kind: only('reserve', 'reserve', 'refuse', 'end'), who, flag }) },
  { weight: 5, arbitrary: fc.record({ kind: only('leave', 'join', 'join', 'hears'), who, number, line }) },
  { weight: 8, arbitrary: fc.record({ kind: only('round'), line, flag }) },
  { weight: 1, arbitrary: fc.record({ kind: only('close', 'shun', 'leaving', 'silent'), line, flag }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: only('wait'),
      us: fc.constantFrom(
        TICK_US,
        TICK_US,
        11 * TICK_US,
        400 * MILLISECOND_US,
        1.1 * SECOND_US,
        2.1 * SECOND_US,
        5.1 * SECOND_US,
      ),
    }),
  },
);

const orderOf = ({ rank, leaving }: Line) => (leaving ? rank + 1 : rank);

/** What the party is told, in one word. */
const toldOf = (party: Party) => `${party.mask} ${party.hold.kind === 'refused'}`;

class Model {
  now: Micros = 1000 * SECOND_US;
  readonly allocation: Allocation;
  readonly lines: Line[];
  readonly parties = Array.from({ length: PARTIES }, () => new Party());
  readonly #mode: AssignmentMode;
  /** Lines over which nothing comes. */
  readonly #silent = new Set<Line>();
  /** Parties that were told to stop on a line and may not have heard it yet. */
  readonly #stopping = new Map<Line, Map<Party, { since: Micros; quiet: number }>>();
  #changed = new Set<Party>();
  /** By party: what it was told last, where it may speak, when it last began or ended a move, and where to. */
  readonly #told = new Map<Party, string>();
  readonly #allowed = new Map<Party, readonly Line[]>();
  readonly #movedAt = new Map<Party, Micros>();
  readonly #content = new Set<Party>();
  readonly #goal = new Map<Party, Line | undefined>();

  constructor(mode: AssignmentMode, seed: number) {
    this.#mode = mode;
    const random = new SeededRandom(`${seed}`);
    this.allocation = new Allocation({
      mode,
      random: () => random.next(),
      changed: (party) => this.#changed.add(party),
    });
    this.lines = Array.from({ length: LINES }, (_, index) => this.allocation.newLine(index));
    for (const party of this.parties) this.#told.set(party, toldOf(party));
  }

  take(step: Step): void {
    const { allocation, now } = this;
    const party = 'who' in step ? this.parties[step.who]! : undefined;
    const at = 'line' in step ? this.lines[step.line]! : undefined;
    this.#changed = new Set();
    this.#note();
    switch (step.kind) {
      case 'want':
        this.#want(party!, step.flag);
        break;
      case 'reserve':
        this.#reserve(party!);
        break;
      case 'refuse':
        allocation.refuse(now, party!);
        break;
      case 'end':
        this.end(party!);
        break;
      case 'leave':
        allocation.leave(now, party!, step.number);
        break;
      case 'join':
        // A session is once on a channel at most.
        if (!party!.places.some((place) => place?.line === at))
          party!.places[step.number] ??= { line: at!, heardAt: now, hears: true };
        break;
      case 'hears': {
        const place = party!.places[step.number];
        if (place) place.hears = !place.hears;
        break;
      }
      case 'round':
        this.round(at!, step.flag);
        break;
      case 'close':
        this.#close(step.line);
        break;
      case 'shun':
        at!.shunned = step.flag;
        break;
      case 'leaving':
        at!.leaving = step.flag;
        break;
      case 'silent':
        if (step.flag) this.#silent.add(at!);
        else this.#silent.delete(at!);
        break;
      case 'wait':
        this.wait(step.us);
        break;
    }
    this.check();
  }

  /** What Mix does with a session that has ended. */
  end(party: Party): void {
    for (const attachment of party.places.keys()) this.allocation.leave(this.now, party, attachment);
    this.allocation.release(this.now, party);
    this.allocation.want(this.now, party, false);
  }

  /** A cell in it can only be of whom the line is held by or drains from. */
  round(of: Line, spoken: boolean): void {
    const { use } = of;
    const isSpoken = spoken && use.kind !== 'free';
    if (isSpoken) this.allocation.spoke(this.now, use.by, of);
    this.allocation.round(this.now, of, isSpoken);
    for (const stopping of this.#stopping.get(of)?.values() ?? []) stopping.quiet = isSpoken ? 0 : stopping.quiet + 1;
  }

  wait(us: Micros): void {
    this.now += us;
    for (const { places } of this.parties) {
      for (const place of places) if (place && !this.#silent.has(place.line)) place.heardAt = this.now;
    }
    this.#note();
    this.allocation.tick(this.now);
  }

  #want(party: Party, wants: boolean): void {
    const isNew = party.hold.kind === 'none';
    const free = this.#bestPlaces(party);
    this.allocation.want(this.now, party, wants);
    if (wants && isNew && free.length > 0) {
      assert.equal(party.hold.kind, 'holding', 'a request with a free usable place is never refused');
      // By rank, or with equal chance: not one that is not free, in any case.
      const held = free.find((place) => place.line === linesOf(party)[0])!;
      const lowest = Math.min(...free.map((place) => orderOf(place.line)));
      assert(
        this.#mode === 'random' || orderOf(held.line) === lowest,
        'the free line of the lowest rank, one that stays first',
      );
    }
    if (wants && isNew && this.#mode !== 'augment') assert.equal(party.hold.kind === 'holding', free.length > 0);
  }

  #reserve(party: Party): void {
    const isNew = party.hold.kind === 'none' && this.now >= party.unclaimed.until;
    const free = this.#bestPlaces(party);
    const got = this.allocation.reserve(this.now, party);
    if (isNew && free.length > 0) assert(got, 'a free usable place is reserved');
    if (got) assert(linesOf(party).includes(got), 'what goes down goes where the party may speak');
  }

  /** Those that work now; if there are none, those that did until just now. */
  #bestPlaces(party: Party): Place[] {
    const free = this.#freePlaces(party, PLACE_SILENT_US);
    return free.length > 0 ? free : this.#freePlaces(party, LATELY_US);
  }

  /** Free, or its own that it has just left, and working. */
  #freePlaces(party: Party, withinUs: Micros): Place[] {
    return party.places.filter((place): place is Place => {
      if (!place || !this.#works(place, withinUs)) return false;
      const { use } = place.line;
      const { promised } = place.line;
      const isForAnother = promised && promised.to !== party && this.now - promised.since <= PROMISE_US;
      const isOwn = use.kind === 'draining' && use.by === party && !isForAnother;
      return use.kind === 'free' || isOwn;
    });
  }

  #works(place: Place, withinUs = PLACE_SILENT_US): boolean {
    return place.hears && !place.line.shunned && this.now - place.heardAt < withinUs;
  }

  /** What Mix does with a channel that the consensus does not list any more; another takes its number. */
  #close(index: number): void {
    const closed = this.lines[index]!;
    for (const party of this.parties) {
      for (const [attachment, place] of party.places.entries())
        if (place?.line === closed) this.allocation.leave(this.now, party, attachment);
    }
    this.allocation.close(this.now, closed);
    this.#stopping.delete(closed);
    for (const [party, lines] of this.#allowed)
      this.#allowed.set(
        party,
        lines.filter((one) => one !== closed),
      );
    this.lines[index] = this.allocation.newLine(index);
  }

  check(): void {
    let held = 0;
    for (const party of this.parties) {
      this.#checkParty(party);
      if (party.hold.kind === 'holding') held += 1;
    }
    assert.equal(this.allocation.held, held);
    const draining = this.lines.filter(({ use }) => use.kind === 'draining');
    assert.equal(this.allocation.draining, draining.length);
    for (const one of this.lines) this.#checkLine(one);
  }

  #checkParty(party: Party): void {
    const { hold } = party;
    const told = toldOf(party);
    if (told !== this.#told.get(party)) assert(this.#changed.has(party), 'who may speak otherwise than before is told');
    this.#told.set(party, told);
    for (let bit = 0; bit < 8; bit += 1)
      if (party.mask & (1 << bit)) assert(party.places[bit], 'nobody may speak where he has no place');
    const allowed = linesOf(party);
    const before = this.#allowed.get(party) ?? [];
    for (const one of before) if (!allowed.includes(one)) this.#stops(party, one);
    for (const one of allowed) this.#stopping.get(one)?.delete(party);
    this.#allowed.set(party, allowed);
    if (hold.kind !== 'holding') return;
    const to = hold.moving?.to;
    for (const one of [hold.line, to]) if (one) assert(one.use.kind === 'held' && one.use.by === party);
    if (before.length === 0) this.#movedAt.delete(party);
    else if (to && !before.includes(to)) this.#checkMove(party, hold.line);
    const began = to && !before.includes(to);
    const ended = before.length === 2 && !to && this.#goal.get(party) === hold.line;
    if (began || ended) this.#movedAt.set(party, this.now);
    this.#goal.set(party, to);
  }

  /** Has just begun to move away from `from`. */
  #checkMove(party: Party, from: Line): void {
    assert.notEqual(this.#mode, 'paper', 'the paper’s calls do not move');
    if (!this.#content.has(party) || from.leaving) return;
    assert.equal(this.#mode, 'augment', 'only then a call that has nothing to complain of moves');
    const movedAt = this.#movedAt.get(party) ?? 0;
    assert(this.now - movedAt >= MOVE_PAUSE_US, `moved for others ${(this.now - movedAt) / 1e6} s after it had moved`);
  }

  /** Whose call is on a line that works, before anything happens. */
  #note(): void {
    this.#content.clear();
    for (const party of this.parties) {
      const { hold } = party;
      const place = hold.kind === 'holding' && party.places.find((candidate) => candidate?.line === hold.line);
      if (place && this.#works(place)) this.#content.add(party);
    }
  }

  #stops(party: Party, of: Line): void {
    const parties = this.#stopping.get(of) ?? new Map();
    this.#stopping.set(of, parties.set(party, { since: this.now, quiet: 0 }));
  }

  #checkLine(one: Line): void {
    for (const [party, { since, quiet }] of this.#stopping.get(one) ?? []) {
      if (quiet >= QUIET_ROUNDS || this.now - since > SILENCE_US) this.#stopping.get(one)!.delete(party);
    }
    const speakers = new Set([
      ...this.parties.filter((party) => this.#allowed.get(party)!.includes(one)),
      ...(this.#stopping.get(one)?.keys() ?? []),
    ]);
    assert(speakers.size <= 1, `${speakers.size} parties may speak on line ${one.id}`);
    if (one.use.kind === 'free') assert.equal(one.promised, undefined, 'a free line is for anybody');
  }
}

test('on no line may two speak, whatever happens in whatever order, and nothing is left in the end', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...ASSIGNMENT_MODES),
      fc.nat(1000),
      fc.array(step, { minLength: 20, maxLength: 250, size: 'max' }),
      (mode, seed, steps) => {
        const model = new Model(mode, seed);
        for (const [index, party] of model.parties.entries()) {
          // Not all of the same lines.
          for (let place = 0; place < 2; place += 1)
            party.places[place] = { line: model.lines[(index + place) % LINES]!, heardAt: model.now, hears: true };
        }
        for (const one of steps) model.take(one);
        for (const party of model.parties) model.end(party);
        for (let tick = 0; tick < 300; tick += 1) {
          for (const one of model.lines) model.round(one, false);
          model.wait(TICK_US);
        }
        for (const party of model.parties) assert.equal(party.hold.kind, 'none');
        for (const one of model.lines) assert.deepEqual([one.use.kind, one.promised], ['free', undefined]);
        assert.deepEqual([model.allocation.held, model.allocation.draining], [0, 0]);
      },
    ),
    { numRuns: 1500 },
  );
});

/** Whether every one of them can have a line of his own at once: maximum bipartite matching by trying all. */
function canAllHave(places: readonly (readonly number[])[], taken: ReadonlySet<number> = new Set()): boolean {
  const [first, ...others] = places;
  if (!first) return true;
  return first.some((one) => !taken.has(one) && canAllHave(others, new Set([...taken, one])));
}

test('with clients that obey, a call is refused only if no arrangement of the calls would have room for it', () => {
  const lines = 6;
  const places = fc.uniqueArray(fc.nat(lines - 1), { minLength: 1, maxLength: 4 });
  const call = fc.record({ places, hangsUp: fc.option(fc.nat(20)) });
  let moved = 0;
  let refused = 0;
  fc.assert(
    fc.property(fc.array(call, { minLength: 4, maxLength: 10 }), fc.nat(100), (calls, seed) => {
      const random = new SeededRandom(`${seed}`);
      const stage = new Stage(lines, 'augment', [], () => random.next());
      const talking = new Map<Party, readonly number[]>();
      for (const { places: own, hangsUp } of calls) {
        const ends = hangsUp === null ? undefined : [...talking.keys()][hangsUp];
        if (ends) {
          stage.want(ends, false);
          talking.delete(ends);
        }
        // The drain is over, and everybody may move again.
        stage.run(2.2);
        const party = stage.party(...own);
        const before = [...talking.keys()].map((one) => stage.mayUse(one).join());
        stage.want(party);
        const fits = canAllHave([...talking.values(), own]);
        assert.equal(party.hold.kind !== 'refused', fits, `places ${own.join()}`);
        if (fits) talking.set(party, own);
        else {
          refused += 1;
          stage.want(party, false);
        }
        stage.run(2.2);
        for (const one of talking.keys()) assert.equal(stage.mayUse(one).length, 1, 'everybody has a line in the end');
        if (
          [...talking.keys()].slice(0, before.length).some((one, index) => stage.mayUse(one).join() !== before[index])
        )
          moved += 1;
      }
    }),
    { numRuns: 120 },
  );
  assert(moved > 20 && refused > 20, `calls that moved others: ${moved}, refused ones: ${refused}`);
});
