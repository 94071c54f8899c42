import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { commandOf, execute } from './scenario.ts';
import { SCENARIOS } from './scenarios/index.ts';

/** Seeds that once found something, and one to begin with. A failure prints the command that repeats it. */
const seeds = JSON.parse(readFileSync(path.join(import.meta.dirname, 'seeds.json'), 'utf8')) as Record<
  string,
  string[]
>;

for (const scenario of SCENARIOS.filter(({ set }) => set === 'short')) {
  const { name, property, minutes } = scenario;
  for (const seed of seeds[name] ?? ['1']) {
    test(`${name}, seed ${seed}: ${property}`, () => {
      const { violations, facts } = execute(scenario, seed, minutes);
      assert.deepEqual(violations, [], `${commandOf(scenario, seed, minutes)}\n${JSON.stringify(facts)}`);
    });
  }
}

test('the same seed gives the same run', () => {
  const { run, minutes } = SCENARIOS.find(({ name }) => name === 'loss')!;
  assert.deepEqual(run('again', minutes / 4).facts, run('again', minutes / 4).facts);
});

test('seeds.json names no scenario that there is not', () => {
  const names = SCENARIOS.map(({ name }) => name);
  assert.deepEqual(
    Object.keys(seeds).filter((name) => !names.includes(name)),
    [],
  );
});

test('what is thrown in a scenario is a violation', () => {
  const { violations } = execute({ ...SCENARIOS[0]!, run: () => assert.fail('broken') }, '1', 1);
  assert.match(violations.join(), /thrown: .*broken/);
});
