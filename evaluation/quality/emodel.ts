import {
  DELAY_COST_PER_MS,
  INTERACTIVE_DELAY_MS_MAX,
  INTERACTIVITY_COST_PER_MS,
  R_WITHOUT_IMPAIRMENT,
} from '../../nodes/client/emodel.ts';

/** What the paper's Figure 7 makes of the scores of nodes/client/emodel.ts: its bands, and where they end. */

export { meanOpinionScore, PACKETIZATION_MS, type Path, rFactor } from '../../nodes/client/emodel.ts';

/** Best first. The first five are the bands of Figure 7; G.109 defines none below R = 50 and advises against such a path. */
export const BANDS = [
  { name: 'perfect', rMin: 90 },
  { name: 'high', rMin: 80 },
  { name: 'medium', rMin: 70 },
  { name: 'low', rMin: 60 },
  { name: 'poor', rMin: 50 },
  { name: 'not recommended', rMin: -Infinity },
] as const;

export type Band = (typeof BANDS)[number]['name'];

/** The quality band of an R factor; a lower bound belongs to its band. */
export function bandOf(r: number): Band {
  const band = BANDS.find(({ rMin }) => r >= rMin);
  if (band === undefined) throw new RangeError(`r must be a number, not ${r}`);
  return band.name;
}

/** The delay, ms, at which a path without loss falls to the given R: the inverse of {@link rFactor} at lossRatio 0. */
export function delayMsAtR(r: number): number {
  const cost = R_WITHOUT_IMPAIRMENT - r;
  if (!(cost >= 0 && cost < Infinity)) {
    throw new RangeError(`r must be finite and at most ${R_WITHOUT_IMPAIRMENT}, not ${r}`);
  }
  const interactive = cost / DELAY_COST_PER_MS;
  if (interactive <= INTERACTIVE_DELAY_MS_MAX) return interactive;
  return (
    (cost + INTERACTIVITY_COST_PER_MS * INTERACTIVE_DELAY_MS_MAX) / (DELAY_COST_PER_MS + INTERACTIVITY_COST_PER_MS)
  );
}
