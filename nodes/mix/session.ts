import { type Micros, SECOND_US } from '../core/units.ts';
import type { ReplayWindow } from '../crypto/replay.ts';
import { GRANT_REFUSED } from '../wire/constants.ts';
import { Party, type Place } from './allocation.ts';
import type { Attachment } from './channel.ts';

/** A client's session: its attachments to channels of this mix, and the half-circuits that go with them. */

/** A changed state is told this many times on each attachment before the rotation goes on: three losses in a row are rare. */
const REPEATS = 3;

/** One half-circuit to a rendezvous. */
export interface Circuit {
  readonly rendezvousTag: string;
  /** Its id on the link to that rendezvous. */
  readonly id: number;
  /** Counters of relay cells that went up: the same cell comes over two channels during a move. */
  readonly spoken: ReplayWindow;
  /** False once the rendezvous has forgotten it. */
  stands: boolean;
  readonly madeAt: Micros;
}

/** Two for each attachment, n and n + 4: the one is there before the other goes. The first choice of rendezvous is 0's. */
const CIRCUIT_ORDER = [0, 4, 2, 6, 1, 5, 3, 7] as const;

export class Session {
  /** Drawn by the client, in hex. */
  readonly id: string;
  readonly party = new Party();
  /** By number, as in `party.places`. BOUNDED: ATTACHMENTS_MAX. */
  readonly attachments: (Attachment | undefined)[] = [];
  /** By number; a circuit outlives its attachment. BOUNDED: CIRCUITS_MAX. */
  readonly circuits: (Circuit | undefined)[] = [];
  /** By number: when the attachment went that is not there. BOUNDED: ATTACHMENTS_MAX. */
  readonly leftAt: Micros[] = [];
  /** Highest counter of a signal. */
  signalled = -1;
  /**
   * Counts the states that the client is told of. Begins with the clock's seconds: a client that comes again to a mix
   * that has restarted must not take its words for older ones.
   */
  told: number;

  constructor(now: Micros, id: string) {
    this.id = id;
    this.told = Math.floor(now / SECOND_US);
  }

  get grant(): number {
    return this.party.mask | (this.party.hold.kind === 'refused' ? GRANT_REFUSED : 0);
  }

  /** Bit j: circuit j stands. */
  get circuitMask(): number {
    let mask = 0;
    for (const [number, circuit] of this.circuits.entries()) if (circuit?.stands) mask |= 1 << number;
    return mask;
  }

  /** Tag of the rendezvous that its calls go over: that of the first circuit that stands, at best to one that stays. */
  leadsTo(drains: (rendezvousTag: string) => boolean): string | undefined {
    const standing = CIRCUIT_ORDER.map((number) => this.circuits[number]).filter((circuit) => circuit?.stands);
    return (standing.find((circuit) => !drains(circuit!.rendezvousTag)) ?? standing[0])?.rendezvousTag;
  }

  get isEmpty(): boolean {
    return !this.attachments.some((attachment) => attachment !== undefined);
  }

  /** What the client is told has changed: all its attachments tell it first. */
  announce(): void {
    this.told += 1;
    for (const attachment of this.attachments) if (attachment) attachment.announce = REPEATS;
  }

  place(attachment: Attachment): Place | undefined {
    return this.party.places[attachment.number];
  }

  heard(now: Micros, attachment: Attachment): void {
    const place = this.place(attachment);
    if (place) place.heardAt = now;
  }
}
