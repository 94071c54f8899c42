import { type Micros, SECOND_US } from '../../../../nodes/core/units.ts';
import { Allocation, type Line, Party } from '../../../../nodes/mix/allocation.ts';
import { type AssignmentMode, TICK_US } from '../../../../nodes/wire/constants.ts';

/** An allocation without a mix: clients that do as they are told, on lines of which every tick is a round. */
export class Stage {
  now: Micros = 1000 * SECOND_US;
  readonly allocation: Allocation;
  readonly lines: Line[];
  readonly parties: Party[] = [];
  /** Lines whose superpeer is gone: nothing comes over them, not even a round. */
  readonly silent = new Set<Line>();
  /** Parties that send, as everybody does, but say nothing though they may. */
  readonly mute = new Set<Party>();
  /** Parties that go on speaking where they have been told to stop. */
  readonly deaf = new Map<Party, Line>();
  /** Whom the allocation has told of a change. */
  readonly changed: Party[] = [];

  /** `ranks`: of the lines, in their order; 0.1, 0.2, … if not given. */
  constructor(lines: number, mode: AssignmentMode = 'augment', ranks?: readonly number[], random = () => 0.5) {
    const drawn = [...(ranks ?? Array.from({ length: lines }, (_, index) => (index + 1) / 10))];
    this.allocation = new Allocation({
      mode,
      random: () => drawn.shift() ?? random(),
      changed: (party) => this.changed.push(party),
    });
    this.lines = Array.from({ length: lines }, (_, index) => this.allocation.newLine(index));
  }

  /** A party with places on these lines, its attachments in this order. */
  party(...lines: readonly number[]): Party {
    const party = new Party();
    for (const index of lines) party.places.push({ line: this.lines[index]!, heardAt: this.now, hears: true });
    this.parties.push(party);
    return party;
  }

  want(party: Party, wants = true): void {
    this.allocation.want(this.now, party, wants);
  }

  /** Numbers of the lines on which the party may speak. */
  mayUse(party: Party): number[] {
    return linesOf(party).map((line) => this.lines.indexOf(line));
  }

  run(seconds: number): void {
    for (const end = this.now + seconds * SECOND_US; this.now < end; ) this.tick();
  }

  tick(): void {
    this.now += TICK_US;
    for (const { places } of this.parties) {
      for (const place of places) if (place && !this.silent.has(place.line)) place.heardAt = this.now;
    }
    for (const line of this.lines) {
      if (this.silent.has(line)) continue;
      const speakers = this.parties.filter((party) => this.#speaks(party, line));
      for (const party of speakers) this.allocation.spoke(this.now, party, line);
      this.allocation.round(this.now, line, speakers.length > 0);
    }
    this.allocation.tick(this.now);
  }

  #speaks(party: Party, line: Line): boolean {
    if (this.deaf.get(party) === line) return true;
    return !this.mute.has(party) && linesOf(party).includes(line);
  }
}

/** The lines on which the mask of the party lets it speak. */
export function linesOf(party: Party): Line[] {
  return party.places.flatMap((place, number) => (place && party.mask & (1 << number) ? [place.line] : []));
}
