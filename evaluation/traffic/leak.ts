import type { Series, Span } from './features.ts';
import type { Random } from './random.ts';

/**
 * The series with a leak planted into it: in spans of class 1, a `share` (0..1, drawn by `random`) of the packets passes
 * `delayUs` later. An evaluation that does not notice 200 µs has proved nothing (network.md, case 16). The observer sees
 * instants in order, so packets that are overtaken exchange them; the sizes keep their order.
 */
export function plantDelay(
  { instantsUs, sizes }: Series,
  spans: readonly Span[],
  delayUs: number,
  share: number,
  random: Random,
): Series {
  const active = spans.filter(({ label }) => label === 1).toSorted((a, b) => a.fromUs - b.fromUs);
  let next = 0;
  const delayed = instantsUs.map((at) => {
    while (next < active.length && active[next].toUs <= at) next += 1;
    const inside = next < active.length && active[next].fromUs <= at;
    return inside && random() < share ? at + delayUs : at;
  });
  return { instantsUs: delayed.sort(), sizes };
}
