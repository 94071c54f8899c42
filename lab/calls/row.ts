/** What is known of one call: a row of the table, a column of the plot. Delays in ms, ratios 0..1. */
import type { Comparison } from '../../evaluation/quality/compare.ts';
import {
  type Band,
  bandOf,
  meanOpinionScore,
  PACKETIZATION_MS,
  type Path,
  rFactor,
} from '../../evaluation/quality/emodel.ts';
import type { CallReport, DirectDelay } from './client.ts';
import type { Pair } from './schedule.ts';

export interface Quality {
  /** Network delay, packetization and playout buffer. */
  readonly mouthToEarMs: number;
  readonly r: number;
  readonly mos: number;
  readonly band: Band;
}

export interface MeasuredCall extends Pair, Quality, Comparison {
  readonly outcome: 'measured';
  readonly setupMs: number;
  /** From the callee's client to the caller's, through Herd; the median of the call. */
  readonly oneWayMs: number;
  /** Between the same two clients without Herd. */
  readonly directMs: number;
  /** What Herd adds. */
  readonly addedMs: number;
  readonly playoutDelayMs: number;
  readonly lossRatio: number;
  /** The same call in Drac with H = 0: straight from client to client, without loss, through the same playout buffer. */
  readonly drac: Quality;
  readonly frames: CallReport['frames'];
  readonly seconds: CallReport['seconds'];
}

export interface FailedCall extends Pair {
  readonly outcome: 'failed';
  /** One sentence. */
  readonly reason: string;
}

export type CallRow = MeasuredCall | FailedCall;

export function measuredCall(
  pair: Pair,
  report: CallReport,
  direct: DirectDelay,
  comparison: Comparison,
): MeasuredCall {
  const { setupMs, oneWayMsMedian, playoutDelayMs, lossRatio, frames, seconds } = report;
  const terminalsMs = PACKETIZATION_MS + playoutDelayMs;
  return {
    ...pair,
    outcome: 'measured',
    setupMs,
    oneWayMs: oneWayMsMedian,
    directMs: direct.oneWayMs,
    addedMs: oneWayMsMedian - direct.oneWayMs,
    playoutDelayMs,
    lossRatio,
    ...quality({ delayMs: oneWayMsMedian + terminalsMs, lossRatio }),
    drac: quality({ delayMs: direct.oneWayMs + terminalsMs, lossRatio: 0 }),
    ...comparison,
    frames,
    seconds,
  };
}

function quality(path: Path): Quality {
  const r = rFactor(path);
  return { mouthToEarMs: path.delayMs, r, mos: meanOpinionScore(r), band: bandOf(r) };
}
