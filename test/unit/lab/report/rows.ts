import { type CallRow, type MeasuredCall, measuredCall } from '../../../../lab/calls/row.ts';

/** A call as the network and the ear would report it. */
export function measured(
  from: string,
  to: string,
  { oneWayMs = 150, directMs = 50, lossRatio = 0, segmentalSnrDb = 34.5, framesPresent = 1 } = {},
): MeasuredCall {
  return measuredCall(
    { from, to },
    {
      setupMs: 612.4,
      seconds: [{ oneWayMs, lossRatio, rttMs: 2 * oneWayMs }],
      oneWayMsMedian: oneWayMs,
      lossRatio,
      playoutDelayMs: 40,
      frames: { expected: 600, received: 600, late: 0 },
    },
    { oneWayMs: directMs, sent: 20, received: 20 },
    { lagMs: 60, segmentalSnrDb, framesPresent },
  );
}

/** Twelve calls over plausible distances, with one that failed. */
export function twelve(): CallRow[] {
  const directMs: Record<string, number> = {
    'eu na': 45,
    'na sa': 60,
    'eu sa': 100,
    'au na': 105,
    'au eu': 140,
    'au sa': 160,
  };
  const zones = ['eu', 'na', 'sa', 'au'];
  return zones.flatMap((from) =>
    zones
      .filter((to) => to !== from)
      .map((to): CallRow => {
        if (from === 'sa' && to === 'na') return { from, to, outcome: 'failed', reason: 'the callee did not answer' };
        const direct = directMs[[from, to].sort().join(' ')];
        return measured(from, to, { directMs: direct, oneWayMs: direct + 62.5 });
      }),
  );
}
