import { parseArgs } from 'node:util';
import { handshakes, relayCells, voiceCells } from './cells.ts';
import { readCorpus, writeCorpus } from './corpus.ts';
import { datagrams, links } from './datagrams.ts';
import { explore } from './explore.ts';
import { INSIDERS } from './insiders.ts';
import { PARSERS } from './parsers.ts';
import { SEED, type Target } from './target.ts';

/**
 * npm run fuzz -- --seconds S [--seed NAME] [--target WORD]
 *
 * Every target for so many seconds, or those with the word in their name; says how many inputs each had, how many in a
 * second of processor time, and how many there were in all. What reaches something new is added to test/fuzz/corpus, which
 * every run begins with. Runs with other seeds, here or elsewhere, go on where this one ends. The native part has a fuzzer
 * of its own, which needs a process of its own (native.test.ts).
 */
const TARGETS: readonly Target[] = [datagrams, links, ...INSIDERS, relayCells, voiceCells, handshakes, ...PARSERS];
const USAGE = 'usage: npm run fuzz -- --seconds S [--seed NAME] [--target WORD]';
const PROGRESS_MS = 5000;

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
  console.log(`seed ${seed}; ${targets.length} targets, ${seconds} s each`);
  const begin = performance.now();
  const elapsed = () => `${((performance.now() - begin) / 1000).toFixed(0)} s`;
  let shown = begin;
  let all = 0;
  let failed = 0;
  for (const target of targets) {
    const corpus = readCorpus(target);
    const { inputs, cpuSeconds, kept, failure } = explore(target, corpus, seconds * 1000, seed, (more) => {
      if (performance.now() - shown < PROGRESS_MS) return;
      shown = performance.now();
      process.stderr.write(`${elapsed()}: ${all + more} executions, now ${target.name}\n`);
    });
    writeCorpus(target, kept);
    all += inputs;
    const speed = (inputs / cpuSeconds / 1000).toFixed(1);
    const change = corpus.length === kept.length ? `corpus ${kept.length}` : `corpus ${corpus.length} → ${kept.length}`;
    console.log(`${String(inputs).padStart(12)}  ${speed.padStart(7)} k/s  ${change.padEnd(14)}  ${target.name}`);
    if (!failure) continue;
    failed += 1;
    console.log('FAILED', failure);
  }
  const perSecond = ((all / (performance.now() - begin)) * 1000).toFixed(0);
  console.log(
    `${String(all).padStart(12)}  executions in ${elapsed()}, ${perSecond} in a second; ${failed} targets failed`,
  );
  return failed === 0 ? 0 : 1;
}

process.exitCode = main();
