import type { Series, Span } from '../../../../evaluation/traffic/features.ts';
import { type Random, shuffle } from '../../../../evaluation/traffic/random.ts';

export const TICK_US = 20_000;

/** Standard normal (Box and Muller). */
export function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** How a paced link really looks: a skewed clock, timer noise of a normal law, and (or not) a scheduler that stalls. */
export function pacedLink(packets: number, random: Random, { bursts }: { bursts: boolean }): Series {
  const period = TICK_US * (1 + 1e-4 * (random() - 0.5));
  const start = random() * 1e9;
  const instantsUs = new Float64Array(packets);
  let disturbed = false;
  for (let i = 0; i < packets; i++) {
    // A stall comes every 10 s or so and lasts ten ticks or so, in which packets come 2 ms late on average.
    if (bursts) disturbed = disturbed ? random() > 0.1 : random() < 0.002;
    const late = disturbed ? -2000 * Math.log(1 - random()) : 0;
    instantsUs[i] = Math.round(start + i * period + 100 * gaussian(random) + late);
  }
  return { instantsUs: instantsUs.sort(), sizes: new Uint16Array(packets).fill(284) };
}

/** Cuts a series into spans of one length, half of each class in an order drawn at random; each is a cluster. */
export function dealtSpans({ instantsUs }: Series, spanUs: number, random: Random, firstCluster = 0): Span[] {
  const start = instantsUs[0];
  const pairs = Math.floor((instantsUs[instantsUs.length - 1] - start) / spanUs / 2);
  const labels = Uint8Array.from({ length: 2 * pairs }, (_, i) => i % 2);
  shuffle(labels, random);
  return Array.from(labels, (label, i) => ({
    fromUs: start + i * spanUs,
    toUs: start + (i + 1) * spanUs,
    label: label === 1 ? 1 : 0,
    cluster: firstCluster + i,
  }));
}

/** How often at least a rare event of chance `p` may happen in `trials` before one in a thousand runs had it by luck. */
export function luckyMax(trials: number, p: number): number {
  let [chance, below] = [(1 - p) ** trials, 0];
  for (let k = 0; ; k++) {
    below += chance;
    if (below > 0.999) return k;
    chance *= ((trials - k) / (k + 1)) * (p / (1 - p));
  }
}
