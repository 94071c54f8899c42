import { parseArgs } from 'node:util';
import { SCENARIOS } from './scenarios/index.ts';

/**
 * npm run sim -- --list
 * npm run sim -- --scenario NAME --seed N [--minutes M] [--json]
 */
const USAGE = 'usage: npm run sim -- --list | --scenario NAME --seed N [--minutes M] [--json]';

function main(): number {
  const { values } = parseArgs({
    options: {
      list: { type: 'boolean' },
      json: { type: 'boolean' },
      scenario: { type: 'string' },
      seed: { type: 'string' },
      minutes: { type: 'string' },
    },
  });
  if (values.list) {
    for (const { name, minutes, property } of SCENARIOS) console.log(`${name} (${minutes} min)\n  ${property}`);
    return 0;
  }
  const scenario = SCENARIOS.find(({ name }) => name === values.scenario);
  const minutes = values.minutes === undefined ? scenario?.minutes : Number(values.minutes);
  const problems = [
    ...(scenario ? [] : [`--scenario must be one of ${SCENARIOS.map(({ name }) => name).join(', ')}`]),
    ...(values.seed ? [] : ['--seed is missing']),
    ...(minutes === undefined || minutes > 0 ? [] : ['--minutes must be a number above 0']),
  ];
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const start = performance.now();
  const { violations, facts } = scenario!.run(values.seed!, minutes!);
  const seconds = (performance.now() - start) / 1000;
  if (values.json)
    console.log(JSON.stringify({ scenario: scenario!.name, seed: values.seed, minutes, seconds, violations, facts }));
  else {
    for (const [name, value] of Object.entries(facts))
      console.log(`${name.padEnd(16)} ${Math.round(value * 1e4) / 1e4}`);
    for (const violation of violations) console.log(`VIOLATION ${violation}`);
    console.log(`${scenario!.name}, seed ${values.seed}: ${violations.length} violations in ${seconds.toFixed(1)} s`);
  }
  return violations.length === 0 ? 0 : 1;
}

try {
  process.exitCode = main();
} catch (error) {
  console.error(`${(error as Error).message}\n${USAGE}`);
  process.exitCode = 2;
}
