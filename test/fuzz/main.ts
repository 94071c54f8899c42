import { parseArgs } from 'node:util';
import { handshakes, relayCells, voiceCells } from './cells.ts';
import { datagrams, links } from './datagrams.ts';
import { INSIDERS } from './insiders.ts';
import { PARSERS } from './parsers.ts';
import { fuzz, SEED, type Target } from './target.ts';

/**
 * npm run fuzz -- --seconds S [--seed NAME] [--target WORD]
 *
 * Every target for so many seconds, or those with the word in their name; says how many inputs each had, and how many
 * in a second of processor time. The native part has a fuzzer of its own, which needs a process of its own
 * (native.test.ts).
 */
const TARGETS: readonly Target[] = [datagrams, links, ...INSIDERS, relayCells, voiceCells, handshakes, ...PARSERS];
const USAGE = 'usage: npm run fuzz -- --seconds S [--seed NAME] [--target WORD]';

function main(): number {
  const options = { seconds: { type: 'string' }, seed: { type: 'string' }, target: { type: 'string' } } as const;
  const { values } = parseArgs({ options });
  const seconds = Number(values.seconds);
  const targets = TARGETS.filter(({ name }) => name.includes(values.target ?? ''));
  if (!(seconds > 0) || targets.length === 0) {
    console.error(USAGE);
    return 2;
  }
  const seed = values.seed ?? SEED;
  console.log(`seed ${seed}`);
  let all = 0;
  let failed = 0;
  for (const target of targets) {
    try {
      const { inputs, cpuSeconds } = fuzz(target, seconds * 1000, seed);
      all += inputs;
      console.log(
        `${String(inputs).padStart(12)}  ${(inputs / cpuSeconds / 1000).toFixed(1).padStart(7)} k/s  ${target.name}`,
      );
    } catch (error) {
      failed += 1;
      console.log('FAILED', error);
    }
  }
  console.log(`${String(all).padStart(12)}  in all; ${failed} of ${targets.length} targets failed`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = main();
