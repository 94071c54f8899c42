/**
 * How good a G.711 call sounds, from its delay and its loss alone.
 *
 * The model is the one the paper uses for its Figure 7: Cole and Rosenbluth, "Voice over IP performance monitoring",
 * ACM CCR 31(2), 2001, a reduction of ITU-T G.107 to two measurable quantities:
 *
 *     R  = 94.2 - Id - Ie
 *     Id = 0.024 d + 0.11 (d - 177.3) H(d - 177.3)     d: one-way mouth-to-ear delay, ms
 *     Ie = 30 ln(1 + 15 e)                             e: lost share of the frames, late ones included, random loss
 *
 * It follows G.107 closely up to about 400 ms and is too strict beyond: above that it says "bad", not how bad.
 */

export const R_WITHOUT_IMPAIRMENT = 94.2;
export const DELAY_COST_PER_MS = 0.024;
/** Up to this delay people do not notice that their talk is no longer interactive. */
export const INTERACTIVE_DELAY_MS_MAX = 177.3;
export const INTERACTIVITY_COST_PER_MS = 0.11;
const G711_LOSS_SCALE = 30;
const G711_LOSS_STEEPNESS = 15;

/** Time to fill one 20 ms G.711 frame before it can leave, ms: part of every mouth-to-ear delay. */
export const PACKETIZATION_MS = 20;

export interface Path {
  /** One way, mouth to ear: network, packetization and playout buffer, ms. */
  readonly delayMs: number;
  /** Lost frames per frame sent, 0..1; frames that came too late to be played are lost. */
  readonly lossRatio: number;
}

/**
 * The E-model's transmission rating, at most 94.2; negative for hopeless paths.
 * @throws {RangeError} naming every argument out of range.
 */
export function rFactor({ delayMs, lossRatio }: Path): number {
  const problems = [
    ...(delayMs >= 0 && delayMs < Infinity ? [] : [`delayMs must be a finite number of at least 0, not ${delayMs}`]),
    ...(lossRatio >= 0 && lossRatio <= 1 ? [] : [`lossRatio must be between 0 and 1, not ${lossRatio}`]),
  ];
  if (problems.length > 0) throw new RangeError(problems.join('; '));
  const delayImpairment =
    DELAY_COST_PER_MS * delayMs + INTERACTIVITY_COST_PER_MS * Math.max(0, delayMs - INTERACTIVE_DELAY_MS_MAX);
  const lossImpairment = G711_LOSS_SCALE * Math.log(1 + G711_LOSS_STEEPNESS * lossRatio);
  return R_WITHOUT_IMPAIRMENT - delayImpairment - lossImpairment;
}

/**
 * Mean opinion score, 1..4.5, of an R factor (ITU-T G.107, Annex B).
 * The cubic dips 0.01 under 1 for R in 0..6.5; the scale has no such score, so it is held at 1.
 */
export function meanOpinionScore(r: number): number {
  if (r < 0) return 1;
  if (r > 100) return 4.5;
  return Math.max(1, 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r));
}
