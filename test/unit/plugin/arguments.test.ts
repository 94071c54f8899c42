import assert from 'node:assert/strict';
import test from 'node:test';
import { type Command, nameOf, parseArguments, usage, type Verb, verbs } from '../../../plugin/arguments.ts';

const words = (line: string) => line.split(' ').filter((word) => word !== '');
const problems = (line: string) => {
  const parsed = parseArguments(words(line));
  return 'problems' in parsed ? parsed.problems : [];
};
const command = (line: string): Command => {
  const parsed = parseArguments(words(line));
  assert.ok('command' in parsed, line);
  return parsed.command;
};

const none: Omit<Command, 'verb'> = {
  name: undefined,
  context: undefined,
  kubeconfig: undefined,
  namespace: undefined,
  allNamespaces: false,
  output: 'table',
  machine: undefined,
  file: undefined,
  yes: false,
};

test('a verb of one word or two, its name and its options, in any order', () => {
  assert.deepEqual(command('status'), { ...none, verb: 'status' });
  assert.deepEqual(command('-n herd superpeer --context=far approve --yes garage'), {
    ...none,
    verb: 'superpeer approve',
    name: 'garage',
    namespace: 'herd',
    context: 'far',
    yes: true,
  });
  assert.deepEqual(command('verify eu -o json --kubeconfig a/b').output, 'json');
  assert.deepEqual(command('drain --machine worker-1.example -y').machine, 'worker-1.example');
  assert.deepEqual(command('rotate slot/eu').name, 'slot/eu');
  assert.deepEqual(command('plan -f -').file, '-');
});

test('all that is wrong is told at once, each with its argument', () => {
  assert.deepEqual(problems('drain a b --machine c -o json --frob -n'), [
    '-o: not an option of drain',
    '--frob: no such option',
    '-n: needs a value',
    'b: one word too many for drain',
    'SLOT, --machine: one of them',
  ]);
});

const wrong: [string, string][] = [
  ['', 'no verb'],
  ['frobnicate', 'frobnicate: no such verb'],
  ['superpeer', 'superpeer: no such verb'],
  ['superpeer praise x', 'superpeer praise: no such verb'],
  ['rotate', 'ZONE|SLOT: missing, rotate needs one'],
  ['rotate pod/eu', 'pod/eu: no name of a ZONE|SLOT'],
  ['status EU', 'EU: no name of a ZONE'],
  ['status ../secrets/x', '../secrets/x: no name of a ZONE'],
  ['status -o xml', '--output xml: must be json, table, wide, yaml'],
  ['status -A -n x', '--namespace, --all-namespaces: one of them'],
  ['status -n a/b', '--namespace a/b: no name'],
  ['status -n x -n y', '-n: given twice'],
  ['status --context --yes', '--context: needs a value'],
  ['pause eu --yes=no', '--yes: takes no value'],
  ['drain', 'SLOT: missing, or --machine'],
  ['drain --machine a/b', '--machine a/b: no name'],
  ['plan', '--file: missing, plan needs one'],
  ['report eu', 'eu: one word too many for report'],
];
for (const [line, problem] of wrong) {
  test(`kubectl herd ${line}: ${problem}`, () =>
    assert.ok(problems(line).includes(problem), problems(line).join('\n')));
}

test('help is given whatever else is said, of the verb if there is one', () => {
  assert.deepEqual(parseArguments(['--help']), { help: undefined });
  assert.deepEqual(parseArguments(['drain', '-h']), { help: 'drain' });
});

test('the usage names every verb with its name, and of each verb every option', () => {
  for (const verb of Object.keys(verbs) as Verb[]) {
    assert.ok(usage().includes(`\n  ${[verb, nameOf(verb)].filter(Boolean).join(' ')}  `), verb);
    for (const option of verbs[verb].options) assert.ok(usage(verb).includes(`--${option}`), `${verb} ${option}`);
  }
});
