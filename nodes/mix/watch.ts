import { CONTROL_WINDOW_BITS, HEARD_WINDOW } from '../wire/constants.ts';

/**
 * How well a client and the mix hear each other over one superpeer, second by second: what an audit cannot see, because
 * packets that a superpeer drops, delays or alters on their way down leave no bad round.
 *
 * A client whose own line is bad is heard badly everywhere, and a superpeer that is cut off for a while has no rounds or
 * nobody in them. So an attachment counts against its superpeer only while another one of the same client does well and
 * the rounds come, and one that is not heard at all only while most others of the channel do well. A packet counts as
 * heard when the manifest names it, in a bad round too: nobody can make another's superpeer look worse by jamming, and a
 * superpeer that names what it has not got is found by the audit.
 */

/**
 * What a superpeer must carry of each client's packets, each way: three quarters. A line that loses a fifth is above it,
 * a superpeer that drops three in ten below.
 */
const SERVICE_TICKS = 0.75 * HEARD_WINDOW;
/**
 * What it may owe: as much as it has to carry in a minute. Chance makes nothing like that of a line that is good enough,
 * and an outage is over for the mix after ten seconds, when who is not heard is not attached any more.
 */
const SERVICE_OWED_MAX = 60 * SERVICE_TICKS;
/** As many as it takes to give enough marks (audit.ts). */
const JUDGES_MIN = 3;

/** Of the HEARD_WINDOW ticks of a window. Between poor and well lies more than chance makes of one and the same loss. */
const WELL_TICKS = 42;
const POOR_TICKS = 38;
const BAD_TICKS = 25;
/** Windows in a row before an attachment is a mark against its superpeer: five seconds. */
const BAD_WINDOWS = 5;
/** Fewer control cells in a window of d tell nothing. */
const CONTROLS_MIN = 4;
const CONTROLS_MAX = 255;

/** One attachment. */
export class Presence {
  /** Rounds of this window that it was named in. */
  named = 0;
  /** Its signals of this window that opened. */
  signals = 0;
  /** DOWN frames of HEARD_WINDOW that came to it, by its own word. */
  heard = HEARD_WINDOW;
  /** Of the control cells that were addressed to it less than half opened, by its own word. */
  deaf = false;
  #controlWindow = -1;
  /** Control cells addressed in this window of d and in the one before, which is 0 while not whole. */
  #addressed = Number.NaN;
  #addressedBefore = 0;
  #badWindows = 0;
  #wasNamed = false;

  /** A control cell goes to it with this d. */
  addressed(down: number): void {
    const window = down >>> CONTROL_WINDOW_BITS;
    if (window !== this.#controlWindow) {
      // The first window began before the attachment did.
      this.#addressedBefore = window === this.#controlWindow + 1 && this.#addressed > 0 ? this.#addressed : 0;
      this.#addressed = this.#controlWindow < 0 ? Number.NaN : 0;
      this.#controlWindow = window;
    }
    this.#addressed += 1;
  }

  /** A signal that opened: DOWN frames that came, the last whole window of d (low 8 bits) and how many control cells opened in it. */
  told(heard: number, window: number, opened: number): void {
    this.signals += 1;
    this.heard = heard;
    if (window !== ((this.#controlWindow - 1) & 0xff) || this.#addressedBefore < CONTROLS_MIN) return;
    this.deaf = opened * 2 < Math.min(CONTROLS_MAX, this.#addressedBefore);
  }

  get isWell(): boolean {
    return this.named >= WELL_TICKS && this.signals > 0 && this.heard >= WELL_TICKS && !this.deaf;
  }

  /** Not good enough for a call, if there is another that is well. */
  get isPoor(): boolean {
    return this.named < POOR_TICKS || this.heard < POOR_TICKS || this.deaf;
  }

  /** Packets of this window that came over its superpeer, once it was heard in one before: that one may have begun late. */
  get carried(): Carried | undefined {
    return this.#wasNamed ? { up: this.named, down: this.heard } : undefined;
  }

  get #isBad(): boolean {
    return this.named < BAD_TICKS || this.signals === 0 || this.heard < BAD_TICKS || this.deaf;
  }

  /**
   * The window is over, in which `rounds` rounds of the channel came; whether another attachment of the client, and most
   * of the channel's, are well. True if this is a mark against the superpeer.
   */
  close(rounds: number, otherWell: boolean, mostWell: boolean): boolean {
    const counts = rounds >= WELL_TICKS && otherWell && (this.named > 0 || mostWell);
    this.#badWindows = counts && this.#isBad ? this.#badWindows + 1 : 0;
    this.#wasNamed ||= this.named > 0;
    this.named = 0;
    this.signals = 0;
    if (this.#badWindows < BAD_WINDOWS) return false;
    this.#badWindows = 0;
    return true;
  }
}

/** Packets of one client's window. */
export interface Carried {
  readonly up: number;
  /** By the client's word. */
  readonly down: number;
}

/**
 * Whether a channel's superpeer is of any use: it owes what it has carried too little of SERVICE_TICKS in each window,
 * and pays with what it has carried beyond. Up and down are accounts of their own.
 *
 * A superpeer that drops packets and one with a bad line look the same, so this is no guilt: one that owes too much is
 * unserviceable, and leaves the roster. Properties: a superpeer whose lines lose no more than a fifth each way, or that
 * is cut off and then serves again, is never found unserviceable as long as not more than half of those who judge it lie;
 * one that loses three tenths of what most of its clients send or get is, after a quarter of an hour.
 */
export class Service {
  #up = 0;
  #down = 0;

  /**
   * A window is over. `carried` is of the clients that do well over another superpeer, whose own lines are good; more than
   * half of them must have fared badly for it to count as bad. True if too much is owed.
   */
  close(carried: readonly Carried[]): boolean {
    if (carried.length < JUDGES_MIN) return false;
    this.#up = owed(
      this.#up,
      carried.map(({ up }) => up),
    );
    this.#down = owed(
      this.#down,
      carried.map(({ down }) => down),
    );
    return Math.max(this.#up, this.#down) > SERVICE_OWED_MAX;
  }
}

/** The upper median is what counts: half of the judges can say what they like. */
function owed(before: number, carried: readonly number[]): number {
  const median = carried.toSorted((a, b) => a - b)[carried.length >> 1]!;
  return Math.max(0, before + SERVICE_TICKS - median);
}
