import type { Micros } from '../core/units.ts';
import { MILLISECOND_US, SECOND_US } from '../core/units.ts';
import { type AssignmentMode, TICK_US } from '../wire/constants.ts';

/**
 * Who has which channel (network.md 1.7 to 1.9), without keys or packets: lines are channels, parties are clients with
 * up to k places on them.
 *
 * Properties: a line is held by at most one party; whoever has been allowed to speak on a line is known to be silent on
 * it before another may; a line that nobody uses becomes free by itself. A call moves make-before-break: the party may
 * speak on both lines until it has been heard on the new one.
 *
 * The assignment of the paper is online bipartite matching by RANKING (Karp, Vazirani, Vazirani 1990). `augment` adds
 * moves of live calls along an augmenting path; `paper` is `ranking` without any move, frozen as the baseline.
 */
/** Rounds without a cell after which a released line is free: more than a cell can be late. */
const QUIET_ROUNDS = 10;
/** A holder without a valid cell for this long has lost the line. */
export const HOLD_SILENCE_US = 5 * SECOND_US;
/** A line held for a call that comes in is free again if the party does not ask for it: three turns of the signals. */
const CLAIM_US = 3 * SECOND_US;
/**
 * Calls that nobody takes must not keep a client's channels busy: each unclaimed one makes the next wait longer, but not so
 * long that a caller who is welcome gives up.
 */
const UNCLAIMED_PAUSE_US = 5 * SECOND_US;
const UNCLAIMED_PAUSE_MAX_US = 10 * SECOND_US;
/** A place over which nothing has come in three ticks in a row is silent (network.md 1.9); the half is for a clock that drifts. */
const SILENT_US = 2.5 * TICK_US;
/** Who asks for a line gets one on a place that is silent just now, if there is no other: better than a refusal. */
const LATELY_US = SECOND_US;
/** Who still wants a line after a refusal, because his call goes on, is looked after again. */
const REFUSED_US = SECOND_US;
/** At most one move per call in this time for others' sake. */
const MOVE_PAUSE_US = 2 * SECOND_US;
/** A move that has not been heard of by then is tried elsewhere. */
const MOVE_WAIT_US = 300 * MILLISECOND_US;
/** A line promised to a party that has not come free by then is not waited for. */
const PROMISE_US = 2 * SECOND_US;
/** BOUNDED: parties looked at for an augmenting path; with k = 2 a longer one is rarer than one call in a million. */
const SEARCH_MAX = 64;

type Use =
  | { readonly kind: 'free' }
  | { readonly kind: 'held'; readonly by: Party; heardAt: Micros }
  | { readonly kind: 'draining'; readonly by: Party; readonly since: Micros; quiet: number };

export class Line {
  readonly id: number;
  /** Place in the random order of RANKING. */
  readonly rank: number;
  use: Use = { kind: 'free' };
  promised: { to: Party; since: Micros } | undefined;
  /** No call is put on it, and those that are on it go: its superpeer is not to be trusted. */
  shunned = false;
  /** Its superpeer is about to go: calls leave it for a line that stays. */
  leaving = false;

  constructor(id: number, rank: number) {
    this.id = id;
    this.rank = rank;
  }
}

/** One attachment. */
export interface Place {
  readonly line: Line;
  /** When a packet of the party last came over it. */
  heardAt: Micros;
  /** Whether the party hears what goes down. */
  hears: boolean;
}

type Hold =
  | { readonly kind: 'none' }
  /** A line has been promised. */
  | { readonly kind: 'waiting'; readonly since: Micros }
  | { readonly kind: 'refused'; readonly since: Micros }
  | {
      readonly kind: 'holding';
      line: Line;
      /** Whether the party has said since that it wants a line: before, its "no" is an older one. */
      claimed: boolean;
      readonly since: Micros;
      /** The line it moves to: it may speak on both. */
      moving: { readonly to: Line; readonly since: Micros } | undefined;
      movedAt: Micros;
    };

export class Party {
  /** By attachment number. BOUNDED: ATTACHMENTS_MAX. */
  readonly places: (Place | undefined)[] = [];
  hold: Hold = { kind: 'none' };
  unclaimed = { pauseUs: 0, until: 0 };

  /** Bit i: the party may speak on attachment i. */
  get mask(): number {
    const { hold } = this;
    if (hold.kind !== 'holding') return 0;
    let mask = 0;
    for (const [number, place] of this.places.entries()) {
      if (place && (place.line === hold.line || place.line === hold.moving?.to)) mask |= 1 << number;
    }
    return mask;
  }

  /** Where what goes down to it is sent. */
  get downLine(): Line | undefined {
    return this.hold.kind === 'holding' ? (this.hold.moving?.to ?? this.hold.line) : undefined;
  }
}

interface Step {
  readonly party: Party;
  readonly to: Line;
}

export interface AllocationOptions {
  readonly mode: AssignmentMode;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Told of every party whose mask or refusal has changed. */
  readonly changed: (party: Party) => void;
}

export class Allocation {
  readonly #options: AllocationOptions;
  /** BOUNDED: one per line. */
  readonly #holding = new Set<Party>();
  /** BOUNDED: one per line. */
  readonly #waiting = new Set<Party>();
  /** BOUNDED: by the lines. */
  readonly #draining = new Set<Line>();

  constructor(options: AllocationOptions) {
    this.#options = options;
  }

  /** Parties that have a line. */
  get held(): number {
    return this.#holding.size;
  }

  get draining(): number {
    return this.#draining.size;
  }

  /** Draws a line's rank. */
  newLine(id: number): Line {
    return new Line(id, this.#options.random());
  }

  /** The party's signal: it wants a line or it does not. */
  want(now: Micros, party: Party, wants: boolean): void {
    const { hold } = party;
    if (wants) {
      party.unclaimed = { pauseUs: 0, until: 0 };
      if (hold.kind === 'holding') hold.claimed = true;
      else if (hold.kind === 'none') this.#request(now, party, true);
      else if (hold.kind === 'refused' && now - hold.since > REFUSED_US) this.#request(now, party, true);
    } else if (hold.kind === 'refused' || hold.kind === 'waiting') {
      for (const place of party.places) if (place?.line.promised?.to === party) place.line.promised = undefined;
      this.#set(party, { kind: 'none' });
    } else if (hold.kind === 'holding' && hold.claimed) this.release(now, party);
  }

  /** The party wants a line that it cannot have for another reason: too many calls. */
  refuse(now: Micros, party: Party): void {
    if (party.hold.kind === 'none') this.#set(party, { kind: 'refused', since: now });
  }

  /** A line for what goes down to the party: the one it has, or one reserved for it now; undefined if there is none. */
  reserve(now: Micros, party: Party): Line | undefined {
    if (party.hold.kind === 'none' && now >= party.unclaimed.until) this.#request(now, party, false);
    return party.downLine;
  }

  /** A valid cell of the party came over the line. */
  spoke(now: Micros, party: Party, line: Line): void {
    const { hold } = party;
    // A late cell over a line that it had before says nothing of the one that it has.
    if (hold.kind !== 'holding' || line.use.kind !== 'held' || line.use.by !== party) return;
    line.use.heardAt = now;
    hold.claimed = true;
    if (hold.moving?.to !== line) return;
    const left = hold.line;
    hold.line = line;
    hold.moving = undefined;
    hold.movedAt = now;
    this.#drain(now, left, party);
    this.#options.changed(party);
  }

  /** A round of the line is done, with or without a cell in it. */
  round(now: Micros, line: Line, spoken: boolean): void {
    if (line.use.kind !== 'draining') return;
    if (spoken) line.use.quiet = 0;
    else {
      line.use.quiet += 1;
      if (line.use.quiet >= QUIET_ROUNDS) this.#free(now, line);
    }
  }

  release(now: Micros, party: Party): void {
    const { hold } = party;
    if (hold.kind !== 'holding') return;
    this.#drain(now, hold.line, party);
    if (hold.moving) this.#drain(now, hold.moving.to, party);
    // What it heard it says only while it speaks: the next call begins without prejudice.
    for (const place of party.places) if (place) place.hears = true;
    this.#set(party, { kind: 'none' });
  }

  /** The party loses a place; a call on it moves if it can. */
  leave(now: Micros, party: Party, number: number): void {
    const place = party.places[number];
    if (!place) return;
    party.places[number] = undefined;
    const { hold } = party;
    if (hold.kind === 'holding' && hold.moving?.to === place.line) this.#cancel(now, party, hold, place.line);
    else if (hold.kind === 'holding' && hold.line === place.line) {
      const to = hold.moving?.to ?? (this.#options.mode === 'paper' ? undefined : this.#freeOf(now, party));
      if (!to) return this.release(now, party);
      this.#drain(now, hold.line, party);
      if (!hold.moving) this.#take(now, party, to);
      hold.line = to;
      hold.moving = undefined;
      hold.movedAt = now;
      this.#options.changed(party);
    }
  }

  /** The line is no more. */
  close(now: Micros, line: Line): void {
    this.#draining.delete(line);
    line.shunned = true;
    for (const party of this.#holding) {
      for (const [number, place] of party.places.entries()) if (place?.line === line) this.leave(now, party, number);
    }
    this.#draining.delete(line);
  }

  /** Once per tick: what takes too long ends, calls leave silent places. */
  tick(now: Micros): void {
    for (const line of this.#draining) {
      if (line.use.kind === 'draining' && now - line.use.since > HOLD_SILENCE_US) this.#free(now, line);
    }
    for (const party of this.#waiting) {
      if (party.hold.kind !== 'waiting') continue;
      // Another line may have come free than the one that was promised.
      const line = this.#freeOf(now, party);
      if (line) this.#hold(now, party, line, true);
      else if (now - party.hold.since > PROMISE_US) this.#set(party, { kind: 'refused', since: now });
    }
    for (const party of this.#holding) if (party.hold.kind === 'holding') this.#watch(now, party, party.hold);
  }

  #watch(now: Micros, party: Party, hold: Extract<Hold, { kind: 'holding' }>): void {
    const heardAt = Math.max(heardOn(hold.line), hold.moving ? heardOn(hold.moving.to) : 0);
    if (!hold.claimed && now - hold.since > CLAIM_US) {
      const pauseUs = Math.min(UNCLAIMED_PAUSE_MAX_US, party.unclaimed.pauseUs * 2 || UNCLAIMED_PAUSE_US);
      party.unclaimed = { pauseUs, until: now + pauseUs };
      return this.release(now, party);
    }
    if (now - heardAt > HOLD_SILENCE_US) return this.release(now, party);
    if (this.#options.mode === 'paper' || !hold.claimed) return;
    const { moving } = hold;
    const waitUs = moving && this.#works(now, party, moving.to) ? MOVE_PAUSE_US : MOVE_WAIT_US;
    if (moving && now - moving.since <= waitUs) return;
    if (this.#works(now, party, hold.line)) {
      if (moving) this.#cancel(now, party, hold, moving.to);
      else if (hold.line.leaving) this.#moveFromLeaving(now, party, hold);
      return;
    }
    if (now - hold.movedAt < MOVE_WAIT_US) return;
    // Of a party that is not heard itself, what it said last of its places is old.
    if (now - heardAt >= SILENT_US) for (const place of party.places) if (place) place.hears = true;
    const to = this.#freeOf(now, party);
    if (to) this.#move(now, party, hold, to);
    else if (this.#options.mode === 'augment') this.#augment(now, party);
  }

  /** There is time: the call moves only to a line that stays. */
  #moveFromLeaving(now: Micros, party: Party, hold: Extract<Hold, { kind: 'holding' }>): void {
    const staying = this.#freeOf(now, party);
    if (staying && !staying.leaving) this.#move(now, party, hold, staying);
    else if (this.#options.mode === 'augment') this.#augment(now, party, false);
  }

  /** Whether packets come over the party's place on the line, and what goes down arrives. */
  #works(now: Micros, party: Party, line: Line): boolean {
    if (line.shunned) return false;
    const place = party.places.find((candidate) => candidate?.line === line);
    return place !== undefined && now - place.heardAt < SILENT_US && place.hears;
  }

  #request(now: Micros, party: Party, claimed: boolean): void {
    const line = this.#freeOf(now, party) ?? this.#freeOf(now, party, LATELY_US);
    if (line) return this.#hold(now, party, line, claimed);
    if (this.#options.mode === 'augment' && this.#augment(now, party)) {
      if (claimed) this.#set(party, { kind: 'waiting', since: now });
    } else if (claimed) this.#set(party, { kind: 'refused', since: now });
  }

  #hold(now: Micros, party: Party, line: Line, claimed: boolean): void {
    this.#take(now, party, line);
    // Longer ago than the pause: a call may be moved for another's sake as soon as it has been set up.
    const movedAt = now - MOVE_PAUSE_US;
    this.#set(party, { kind: 'holding', line, claimed, since: now, moving: undefined, movedAt });
  }

  #move(now: Micros, party: Party, hold: Extract<Hold, { kind: 'holding' }>, to: Line): void {
    if (hold.moving) this.#drain(now, hold.moving.to, party);
    this.#take(now, party, to);
    hold.moving = { to, since: now };
    hold.movedAt = now;
    this.#options.changed(party);
  }

  #cancel(now: Micros, party: Party, hold: Extract<Hold, { kind: 'holding' }>, to: Line): void {
    this.#drain(now, to, party);
    hold.moving = undefined;
    this.#options.changed(party);
  }

  #take(now: Micros, party: Party, line: Line): void {
    line.use = { kind: 'held', by: party, heardAt: now };
    line.promised = undefined;
    this.#draining.delete(line);
  }

  #drain(now: Micros, line: Line, by: Party): void {
    line.use = { kind: 'draining', by, since: now, quiet: 0 };
    this.#draining.add(line);
  }

  #free(now: Micros, line: Line): void {
    this.#draining.delete(line);
    line.use = { kind: 'free' };
    const to = promisedTo(now, line);
    const canHave = to?.places.some((place) => place?.line === line && usable(now, place)) === true;
    // Whoever is rung takes it with the next ring.
    if (canHave && to.hold.kind === 'none') return;
    line.promised = undefined;
    if (!canHave) return;
    if (to.hold.kind === 'waiting') this.#hold(now, to, line, true);
    else if (to.hold.kind === 'holding' && !to.hold.moving && now - to.hold.movedAt >= MOVE_PAUSE_US)
      this.#move(now, to, to.hold, line);
  }

  #set(party: Party, hold: Hold): void {
    party.hold = hold;
    this.#holding.delete(party);
    this.#waiting.delete(party);
    if (hold.kind === 'holding') this.#holding.add(party);
    else if (hold.kind === 'waiting') this.#waiting.add(party);
    this.#options.changed(party);
  }

  /** A line that the party can have at once, by rank or at random; its own that drains is as good as free. */
  #freeOf(now: Micros, party: Party, withinUs = SILENT_US): Line | undefined {
    let best: Line | undefined;
    let seen = 0;
    for (const place of party.places) {
      if (!place || !available(now, party, place, withinUs)) continue;
      seen += 1;
      const better =
        this.#options.mode === 'random'
          ? this.#options.random() * seen < 1
          : !best || orderOf(place.line) < orderOf(best);
      if (better) best = place.line;
    }
    return best;
  }

  /**
   * Lets a line come free for `party` by other calls' moves, unless one is on its way; false if none can. Lines that are
   * about to go are used only where none that stay will do, if at all.
   */
  #augment(now: Micros, party: Party, overLeaving = true): boolean {
    if (party.places.some((place) => place && usable(now, place) && promisedTo(now, place.line) === party)) return true;
    if (this.#augmentOver(now, party, false)) return true;
    return overLeaving && this.#augmentOver(now, party, true);
  }

  /**
   * Breadth-first search for the shortest path of calls that each move to another place of their client, so that a line
   * comes free for `party`. Starts the last move and promises each line on the way; false if there is no path.
   */
  #augmentOver(now: Micros, party: Party, overLeaving: boolean): boolean {
    const from = new Map<Line, { readonly party: Party; readonly by: Line | undefined }>();
    const queue: { party: Party; by: Line | undefined }[] = [{ party, by: undefined }];
    for (let next = 0; next < queue.length && next < SEARCH_MAX; next += 1) {
      const { party: mover, by } = queue[next]!;
      for (const place of mover.places) {
        if (!place || from.has(place.line) || place.line === mover.downLine || !usable(now, place)) continue;
        const { line } = place;
        if (line.leaving && !overLeaving) continue;
        from.set(line, { party: mover, by });
        if (available(now, mover, place)) {
          this.#walk(now, line, from);
          return true;
        }
        if (promisedTo(now, line) || line.use.kind !== 'held') continue;
        const { hold } = line.use.by;
        if (line.use.by === party || hold.kind !== 'holding' || hold.moving || !hold.claimed) continue;
        if (now - hold.movedAt >= MOVE_PAUSE_US) queue.push({ party: line.use.by, by: line });
      }
    }
    return false;
  }

  #walk(
    now: Micros,
    last: Line,
    from: ReadonlyMap<Line, { readonly party: Party; readonly by: Line | undefined }>,
  ): void {
    const steps: Step[] = [];
    for (let line: Line | undefined = last; line; ) {
      const { party, by }: { readonly party: Party; readonly by: Line | undefined } = from.get(line)!;
      steps.push({ party, to: line });
      line = by;
    }
    const [first, ...rest] = steps;
    const { hold } = first!.party;
    if (hold.kind === 'holding') this.#move(now, first!.party, hold, first!.to);
    for (const { party, to } of rest) to.promised = { to: party, since: now };
  }
}

/** By rank, lines that stay first: ranks are below 1. */
function orderOf({ rank, leaving }: Line): number {
  return leaving ? rank + 1 : rank;
}

function heardOn(line: Line): Micros {
  return line.use.kind === 'held' ? line.use.heardAt : 0;
}

function usable(now: Micros, place: Place, withinUs = SILENT_US): boolean {
  return !place.line.shunned && now - place.heardAt < withinUs && place.hears;
}

/** Whom the line is for when it comes free, unless that is too long ago. */
function promisedTo(now: Micros, { promised }: Line): Party | undefined {
  return promised && now - promised.since <= PROMISE_US ? promised.to : undefined;
}

/** Free, or only draining from the party's own last call; and not promised to somebody else. */
function available(now: Micros, party: Party, place: Place, withinUs = SILENT_US): boolean {
  const { use } = place.line;
  const to = promisedTo(now, place.line);
  if (!usable(now, place, withinUs) || (to && to !== party)) return false;
  return use.kind === 'free' || (use.kind === 'draining' && use.by === party);
}
