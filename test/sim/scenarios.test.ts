import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { SCENARIOS } from './scenarios/index.ts';

/** Seeds that once found something, and one to begin with. A failure prints the seed that repeats it. */
const seeds = JSON.parse(readFileSync(path.join(import.meta.dirname, 'seeds.json'), 'utf8')) as Record<
  string,
  string[]
>;

for (const { name, property, minutes, run } of SCENARIOS) {
  for (const seed of seeds[name] ?? ['1']) {
    test(`${name}, seed ${seed}: ${property}`, () => {
      const { violations, facts } = run(seed, minutes);
      assert.deepEqual(violations, [], `npm run sim -- --scenario ${name} --seed ${seed}\n${JSON.stringify(facts)}`);
    });
  }
}

test('the same seed gives the same run', () => {
  const { run, minutes } = SCENARIOS.find(({ name }) => name === 'loss')!;
  assert.deepEqual(run('again', minutes / 4).facts, run('again', minutes / 4).facts);
});
