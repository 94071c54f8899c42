import { parseArgs } from 'node:util';
import { SECOND_US } from '../../nodes/core/units.ts';
import { commandOf, execute, type Scenario } from './scenario.ts';
import { SCENARIOS } from './scenarios/index.ts';
import { START_US, World } from './world.ts';

/**
 * npm run sim -- --list
 * npm run sim -- --scenario NAME --seed N [--minutes M] [--json]
 *
 * Exit code 0 if the property held, 1 if not, 2 for wrong arguments.
 */
const USAGE = 'usage: npm run sim -- --list | --scenario NAME --seed N [--minutes M] [--json]';
const OPTIONS = {
  list: { type: 'boolean' },
  json: { type: 'boolean' },
  scenario: { type: 'string' },
  seed: { type: 'string' },
  minutes: { type: 'string' },
} as const;
const PROGRESS_MS = 3000;

interface Command {
  readonly scenario: Scenario;
  readonly seed: string;
  readonly minutes: number;
  readonly json: boolean;
}

/** What the arguments ask for, or everything that is wrong with them. */
function parse(args: readonly string[]): 'list' | Command | { problems: string[] } {
  // Not strict: node:util would stop at the first thing that is wrong.
  const { values, tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, tokens: true });
  const problems = tokens.flatMap((token): string[] => {
    if (token.kind === 'positional') return [`${token.value} is no option`];
    if (token.kind !== 'option') return [];
    const type = Object.hasOwn(OPTIONS, token.name) ? OPTIONS[token.name as keyof typeof OPTIONS].type : undefined;
    if (!type) return [`there is no option ${token.rawName}`];
    if (type === 'string' && !token.value) return [`${token.rawName} needs a value`];
    return type === 'boolean' && token.value ? [`${token.rawName} takes no value`] : [];
  });
  if (values.list && problems.length === 0) return 'list';
  const scenario = SCENARIOS.find(({ name }) => name === values.scenario);
  const minutes = values.minutes === undefined ? (scenario?.minutes ?? 1) : Number(values.minutes);
  if (!scenario) problems.push(`--scenario must be one of ${SCENARIOS.map(({ name }) => name).join(', ')}`);
  if (values.seed === undefined) problems.push('--seed is missing');
  if (!(minutes > 0 && Number.isFinite(minutes))) problems.push('--minutes must be a number above 0');
  if (!scenario || problems.length > 0) return { problems };
  return { scenario, seed: String(values.seed), minutes, json: values.json === true };
}

/** Says every few seconds how far the world is. */
function showProgress(start: number): void {
  let shown = start;
  World.onSecond = ({ now }) => {
    const real = performance.now();
    if (real - shown < PROGRESS_MS) return;
    shown = real;
    const virtual = Math.round((now - START_US) / SECOND_US);
    process.stderr.write(`${virtual} s of virtual time in ${((real - start) / 1000).toFixed(0)} s\n`);
  };
}

function run({ scenario, seed, minutes, json }: Command): number {
  const start = performance.now();
  if (!json) showProgress(start);
  const { violations, facts } = execute(scenario, seed, minutes);
  const seconds = (performance.now() - start) / 1000;
  if (json) console.log(JSON.stringify({ scenario: scenario.name, seed, minutes, seconds, violations, facts }));
  else {
    const width = Math.max(0, ...Object.keys(facts).map(({ length }) => length));
    for (const [name, value] of Object.entries(facts))
      console.log(`${name.padEnd(width)}  ${Math.round(value * 1e4) / 1e4}`);
    for (const violation of violations) console.log(`VIOLATION ${violation}`);
    console.log(`${scenario.name}, seed ${seed}: ${violations.length} violations in ${seconds.toFixed(1)} s`);
    if (violations.length > 0) console.log(`Again: ${commandOf(scenario, seed, minutes)}`);
  }
  return violations.length === 0 ? 0 : 1;
}

function main(args: readonly string[]): number {
  const command = parse(args);
  if (command === 'list') {
    for (const { name, set, minutes, property } of SCENARIOS)
      console.log(`${name} (${set}, ${minutes} min)\n  ${property}`);
    return 0;
  }
  if ('scenario' in command) return run(command);
  console.error(`${command.problems.join('\n')}\n${USAGE}`);
  return 2;
}

process.exitCode = main(process.argv.slice(2));
