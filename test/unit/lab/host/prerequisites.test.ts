import assert from 'node:assert/strict';
import test from 'node:test';
import { assess, describeProblems, type Facts } from '../../../../lab/host/prerequisites.ts';

const space = { directory: '/somewhere', bytes: 50e9 };
const ready: Facts = {
  platform: 'linux',
  isRoot: true,
  isDebian: true,
  hasTun: true,
  missing: { programs: [], packages: [] },
  missingControllers: [],
  isBuilt: false,
  go: '1.26.1',
  requiredGo: '1.26.0',
  freeBytes: { cache: space, run: space },
};
const missing = { programs: ['runc', 'ctr'], packages: ['runc', 'containerd'] };
const whats = (facts: Facts) => assess(facts).problems.map((problem) => problem.what);

test('a machine that has everything has no problem', () => {
  assert.deepEqual(assess(ready), { problems: [], packages: [] });
});

test('packages that are missing are installed by root on Debian, and no problem', () => {
  assert.deepEqual(assess({ ...ready, missing }), { problems: [], packages: ['runc', 'containerd'] });
});

test('packages that are missing elsewhere are a problem that names programs and packages', () => {
  const { problems, packages } = assess({ ...ready, isDebian: false, missing });
  assert.deepEqual(packages, []);
  assert.match(describeProblems(problems), /not installed: runc, ctr\n.*package manager.*runc containerd/);
});

test('every problem is listed at once, each with something to do', () => {
  const { problems } = assess({
    ...ready,
    isRoot: false,
    hasTun: false,
    missing,
    missingControllers: ['memory'],
    go: undefined,
    freeBytes: { cache: { directory: '/c', bytes: 1e9 }, run: { directory: '/r', bytes: 0 } },
  });
  const text = describeProblems(problems);
  for (const expected of [
    /root/,
    /apt-get install/,
    /tun/,
    /memory/,
    /found none/,
    /\/c has 1\.0 GB/,
    /\/r has 0\.0 GB/,
  ]) {
    assert.match(text, expected);
  }
  assert.equal(problems.length, 7);
  assert.ok(problems.every((problem) => problem.remedy.length > 0));
});

test('Go releases compare by number', () => {
  const complains = (go: string) => whats({ ...ready, go }).length > 0;
  assert.deepEqual(['1.9.9', '1.25.12', '1.26.0', '1.26rc1', '1.100.0', '2.0'].map(complains), [
    true,
    true,
    false,
    false,
    false,
    false,
  ]);
});

test('once Kubernetes is built neither Go nor space for building is asked for', () => {
  const freeBytes = { ...ready.freeBytes, cache: { directory: '/c', bytes: 0 } };
  assert.deepEqual(whats({ ...ready, isBuilt: true, go: undefined, freeBytes }), []);
});

test('a machine that is not Linux is told of another cluster, and of nothing else', () => {
  const { problems } = assess({ ...ready, platform: 'darwin', isRoot: false });
  assert.equal(problems.length, 1);
  assert.match(describeProblems(problems), /darwin[\s\S]*--context/);
});
