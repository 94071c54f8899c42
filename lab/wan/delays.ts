import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';

const schema = z.strictObject({
  source: z.string().min(1),
  regions: z
    .array(z.string().regex(/^[a-z]{1,8}$/, 'must be 1 to 8 lower-case letters'))
    .min(1)
    .max(8),
  oneWayMs: z.record(z.string(), z.number().min(0).max(1000)),
  jitterMs: z.number().min(0).max(100),
  lossRatio: z.number().min(0).max(1),
});

/** The delays between regions; the same in both directions. */
export interface Delays {
  regions: string[];
  /** By pair "eu-na", named in the order of `regions`. */
  oneWayMs: Record<string, number>;
  /** Standard deviation of the delay of single packets. Packets are not reordered. */
  jitterMs: number;
  /** Share of the packets that get lost, 0 to 1. */
  lossRatio: number;
}

/** Reads the delays that the lab comes with. */
export async function readDelays(): Promise<Delays> {
  return parseDelays(await readFile(path.join(import.meta.dirname, 'delays.json'), 'utf8'));
}

/** Parses a delay file. Throws one error that lists everything that is wrong, each with the name of its field. */
export function parseDelays(text: string): Delays {
  const parsed = schema.safeParse(JSON.parse(text));
  if (!parsed.success) {
    throw problems(parsed.error.issues.map((issue) => `${issue.path.join('.') || 'the file'}: ${issue.message}`));
  }
  const delays = parsed.data;
  const wanted = regionPairs(delays.regions).map(([a, b]) => `${a}-${b}`);
  const given = Object.keys(delays.oneWayMs);
  const wrong = [
    ...delays.regions.filter((region, i) => delays.regions.indexOf(region) !== i).map((r) => `regions: ${r} twice`),
    ...wanted.filter((pair) => !given.includes(pair)).map((pair) => `oneWayMs.${pair}: missing`),
    ...given
      .filter((pair) => !wanted.includes(pair))
      .map((pair) => `oneWayMs.${pair}: not a pair of regions in their order`),
  ];
  if (wrong.length > 0) throw problems(wrong);
  return delays;
}

/** Every pair of regions once, in the order in which the regions are listed. */
export function regionPairs(regions: readonly string[]): [string, string][] {
  return regions.flatMap((a, i) => regions.slice(i + 1).map((b): [string, string] => [a, b]));
}

function problems(list: string[]): Error {
  return new Error(`the delays between regions are not usable:\n  ${list.join('\n  ')}`);
}
