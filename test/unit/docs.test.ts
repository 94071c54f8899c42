/**
 * The pages in docs/: links lead somewhere, files and scenarios that are named are there, commands are real, figures are
 * what the code says. What needs an API server is in test/kube/docs.test.ts. Of npm, node and docker commands only this
 * test takes note: scripts, files and options are looked up, nothing is run.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { parseOptions } from '../../lab/options.ts';
import { version } from '../../manifests/release.ts';
import { parseConfig, relayConfig } from '../../nodes/config/node.ts';
import { Identity } from '../../nodes/crypto/keys.ts';
import { GEOMETRY, LINK_OVERHEAD_BYTES, roundBytes, TICKS_PER_SECOND } from '../../nodes/wire/constants.ts';
import * as labels from '../../operator/objects/labels.ts';
import { parseArguments, verbIn } from '../../plugin/arguments.ts';
import { blocksOf, brokenLinks, commandsOf, pages, playedPages, readPage, root } from '../docs.ts';
import { SCENARIOS } from '../sim/scenarios/index.ts';

const everywhere = globSync(['*.md', '!(node_modules)/**/*.md'], { cwd: root })
  .filter((page) => !page.includes('node_modules'))
  .sort();
const { scripts } = JSON.parse(readPage('package.json')) as { scripts: Record<string, string> };

test('links lead to pages and headings that are there, in all of the repository', () => {
  assert.ok(everywhere.length > pages.length);
  assert.deepEqual(
    everywhere.flatMap((page) => brokenLinks(page, readPage(page))),
    [],
  );
});

test('the first page leads to every other', () => {
  const index = readPage('docs/README.md');
  const others = globSync('docs/{*,reference/*}.md', { cwd: root }).map((page) => page.replace('docs/', ''));
  for (const page of others) if (page !== 'README.md') assert.ok(index.includes(`(${page})`), page);
});

/** Scenarios that a command names, on the command line of the simulator. */
const isScenario = (name: string) => SCENARIOS.some((scenario) => scenario.name === name);

/** Everything that is wrong with what a page names in its prose: files, npm scripts, verbs. */
function wrongNames(page: string, text: string): string[] {
  const words = [...text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`\n]+)`/g)].map((match) => match[1]!);
  const folders = '(?:charts|docs|evaluation|lab|manifests|monitoring|nodes|operator|plugin|test)';
  return words.flatMap((word) => {
    if (/^(npm|node|docker) /.test(word)) return wrongCommand(word.split(' ')).map((problem) => `${page}: ${problem}`);
    if (word.startsWith('kubectl herd ')) {
      const { verb } = verbIn(word.split(' ').slice(2));
      return verb ? [] : [`${page}: ${word}: no such verb`];
    }
    const isPath = new RegExp(`^${folders}/[-\\w./]*$`).test(word);
    return isPath && !existsSync(path.join(root, word)) ? [`${page}: ${word} is not there`] : [];
  });
}

/** What is wrong with a command that is not run. */
function wrongCommand(words: readonly string[]): string[] {
  const [program, ...args] = words;
  const said = words.join(' ');
  if (program === 'npm') {
    if (args[0] === 'ci') return [];
    const script = args[0] === 'run' ? args[1]! : args[0]!;
    if (scripts[script] === undefined) return [`${said}: no such script`];
    const [entry] = /\S+\.ts$/.exec(scripts[script]) ?? [];
    const given = args.includes('--') ? args.slice(args.indexOf('--') + 1) : [];
    if (entry === 'lab/main.ts') {
      const parsed = parseOptions(given);
      return 'problems' in parsed ? parsed.problems.map((problem) => `${said}: ${problem}`) : [];
    }
    const at = given.indexOf('--scenario');
    if (at >= 0 && given[at + 1] !== 'NAME' && !isScenario(given[at + 1]!)) return [`${said}: no such scenario`];
    if (given.length > 0 && !entry) return [`${said}: takes no arguments`];
    const source = entry ? readFileSync(path.join(root, entry), 'utf8') : '';
    return given
      .filter((word) => word.startsWith('--') && !new RegExp(`\\b${word.slice(2)}\\b`).test(source))
      .map((option) => `${said}: ${entry} knows no ${option}`);
  }
  const files = words.filter((word, index) => word.endsWith('.ts') || words[index - 1] === '-f');
  return files.filter((file) => !existsSync(path.join(root, file))).map((file) => `${said}: ${file} is not there`);
}

/** Programs whose commands test/kube/docs.test.ts runs; of others there is a look at files and scripts. */
const runElsewhere = ['helm', 'kubectl', 'openssl', 'mkdir', 'tail', 'base64', 'chmod', 'rm', 'echo', 'grep', 'sed'];
const isPlayed = (page: string) => playedPages.includes(page);
const lookedAt = ['npm', 'node', 'docker', 'chown'];

function wrongBlocks(page: string, text: string): string[] {
  return blocksOf(text).flatMap((block) => {
    const at = `${page}:${block.line}`;
    if (block.language === 'yaml') return isPlayed(page) ? [] : [`${at}: no test applies it`];
    if (block.language === 'json')
      try {
        parseConfig(relayConfig, block.text, at);
        return [];
      } catch (error) {
        return [(error as Error).message];
      }
    if (block.language !== 'sh') return [`${at}: what language “${block.language}” is no test knows`];
    return commandsOf(block).flatMap((words) => {
      if (words[0] === 'kubectl' && words[1] === 'herd') {
        const parsed = parseArguments(words.slice(2));
        return 'problems' in parsed ? parsed.problems.map((problem) => `${at}: ${problem}`) : [];
      }
      if (lookedAt.includes(words[0]!)) return wrongCommand(words).map((problem) => `${at}: ${problem}`);
      return isPlayed(page) && runElsewhere.includes(words[0]!)
        ? []
        : [`${at}: ${words[0]}: no test looks at such commands`];
    });
  });
}

for (const page of pages)
  test(`${page} names files, scripts, scenarios and verbs that are there`, () => {
    const text = readPage(page);
    assert.deepEqual([...wrongNames(page, text), ...wrongBlocks(page, text)], []);
  });

test('what is wrong is found', () => {
  const inSh = (command: string) => wrongBlocks('p', `\`\`\`sh\n${command}\n\`\`\`\n`);
  assert.deepEqual(inSh('npm run sim -- --scenario call --seed 1'), []);
  for (const command of [
    'npm run simulate',
    'npm run sim -- --scenario cal --seed 1',
    'npm run sim -- --sed 1',
    'npm start -- --twice',
    'npm run check -- --fix',
    'node operator/instal.ts',
    'docker build -f nodes/Dockerfil -t x .',
    'kubectl herd drian eu-eu-mix-0',
    'kubectl herd status --yes',
    'x=$(kubectl herd statuses)',
    'echo 1 | kubectl herd plan',
    'curl x',
  ])
    assert.equal(inSh(command).length > 0, true, command);
  assert.equal(wrongBlocks('p', '```yml\na: 1\n```\n').length, 1);
  assert.equal(wrongBlocks('p', '```json\n{"role": "superpeer"}\n```\n').length, 1);
  assert.equal(wrongNames('p', 'see `test/unit/nowhere.test.ts` and `npm run nothing`, `kubectl herd undo`').length, 3);
  assert.equal(brokenLinks('docs/p.md', '[a](b.md) [c](README.md#no-such) [d](README.md)').length, 2);
});

test('every claim of concepts.md names what shows it, and that is there', () => {
  const table = /\| who +\| what holds +\| shown by[^\n]*\n[^\n]*\n((?:\|[^\n]*\n)+)/.exec(
    readPage('docs/concepts.md'),
  )![1]!;
  const rows = table.trimEnd().split('\n');
  for (const row of rows) {
    const shown = [...row.split('|')[3]!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!);
    assert.ok(shown.length > 0, row);
    for (const name of shown) {
      const isCommand = name.startsWith('npm run ') && wrongCommand(name.split(' ')).length === 0;
      assert.ok(isScenario(name) || isCommand || existsSync(path.join(root, name)), name);
    }
  }
});

test('scenarios that stand alone in prose are there', () => {
  const named = pages.flatMap((page) =>
    [...readPage(page).matchAll(/\(`([a-z]+-[a-z-]+)`\)/g)].map((match) => match[1]!),
  );
  assert.ok(named.length > 0);
  for (const name of named) assert.ok(isScenario(name), name);
});

test('operations.md has every annotation that people set, and no other', () => {
  const text = readPage('docs/operations.md');
  const section = /\n## Annotations\n(.*?)\n## /s.exec(text)![1]!;
  const told = [...section.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1]!);
  const set = [labels.drainAnnotation, labels.forceAnnotation, labels.publicAddressAnnotation];
  assert.deepEqual(told, [...set, labels.readmitAnnotation, labels.rotateAnnotation].sort());
});

test('images are of this version where they are first built and run', () => {
  for (const page of ['docs/quickstart.md', 'docs/superpeer-host.md']) {
    const versions = [...readPage(page).matchAll(/\/herd-(?:node|operator):([\d.]+\d)/g)].map((match) => match[1]!);
    assert.deepEqual([...new Set(versions)], [version], page);
  }
});

test('the traffic in capacity.md is what the lengths of packets make', () => {
  const text = readPage('docs/capacity.md');
  const ipAndUdp = 28;
  const kilobits = (bytes: number) => ((bytes + LINK_OVERHEAD_BYTES + ipAndUdp) * 8 * TICKS_PER_SECOND) / 1000;
  const { A, B } = GEOMETRY;
  const rows = [
    [kilobits(B.up), kilobits(A.up)],
    [kilobits(roundBytes(B, 20)), kilobits(roundBytes(A, 20))],
    [kilobits(B.down), kilobits(A.down)],
    [kilobits(B.mesh), kilobits(A.mesh)],
  ];
  const told = [...text.matchAll(/^\| [^|]+ \| ([\d.]+) +\| ([\d.]+) +\|$/gm)].map(([, b, a]) => [
    Number(b),
    Number(a),
  ]);
  assert.deepEqual(told, rows);
  assert.equal(B.up, B.down);
  assert.ok(text.includes(`${(3 * kilobits(B.up)).toFixed(1)} kb/s`));
  assert.ok(text.includes(`${((56 * 2 * kilobits(B.mesh)) / 1000).toFixed(1)} Mb/s`));
});

test('the keys that superpeer-host.md makes are an identity and its public half', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'herd-docs-'));
  try {
    const [block] = blocksOf(readPage('docs/superpeer-host.md'));
    const told = execFileSync('sh', ['-ec', block!.text], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
    const seed = Buffer.from(readFileSync(path.join(folder, 'herd/keys/identity'), 'utf8'), 'base64');
    assert.equal(told.trim(), new Identity(seed).publicKey.toString('base64'));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
