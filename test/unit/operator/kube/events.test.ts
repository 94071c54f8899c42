import assert from 'node:assert/strict';
import test from 'node:test';
import type { KubeClient } from '../../../../operator/kube/client.ts';
import { ApiError } from '../../../../operator/kube/errors.ts';
import { EventRecorder } from '../../../../operator/kube/events.ts';
import type { KubeObject } from '../../../../operator/kube/types.ts';

interface Written {
  readonly verb: 'create' | 'patch';
  readonly name: string;
  readonly note: string | undefined;
  readonly count: number;
}

/** An API server for events, and the clock. */
function setUp() {
  const written: Written[] = [];
  const fail: (Error | undefined)[] = [];
  let nowMs = 0;
  const write = (verb: Written['verb'], name: string, body: object) => {
    const error = fail.shift();
    if (error) throw error;
    const { note, series } = body as { note?: string; series?: { count: number } };
    written.push({ verb, name, note, count: series?.count ?? 1 });
  };
  const client = {
    create: async (_: unknown, event: KubeObject) => write('create', event.metadata.name, event),
    patch: async (_: unknown, __: string, name: string, body: object) => write('patch', name, body),
  } as unknown as KubeClient;
  const recorder = new EventRecorder(client, 'test', () => nowMs);
  const about = (uid: string): KubeObject => ({
    metadata: { name: 'eu', namespace: 'herd', uid, resourceVersion: '1', creationTimestamp: '' },
  });
  const say = (uid: string, reason: string) => recorder.record(about(uid), 'Normal', reason, 'Reconcile', reason);
  const rest = () => new Promise((resolve) => setImmediate(resolve));
  const wait = (ms: number) => {
    nowMs += ms;
  };
  return { recorder, written, fail, say, rest, wait };
}

test('what is said again is counted in the event that is there', async () => {
  const { written, say, rest } = setUp();
  for (let i = 0; i < 3; i++) {
    say('a', 'Ready');
    await rest();
  }
  say('a', 'NotReady');
  say('b', 'Ready');
  await rest();
  assert.deepEqual(
    written.map(({ verb, count }) => [verb, count]),
    [
      ['create', 1],
      ['patch', 2],
      ['patch', 3],
      ['create', 1],
      ['create', 1],
    ],
  );
  assert.equal(new Set(written.slice(0, 3).map((w) => w.name)).size, 1);
  assert.equal(new Set(written.map((w) => w.name)).size, 3);
});

test('a restless object costs 25 writes and then one in five minutes, a quiet one is not held up by it, and no count is lost', async () => {
  const { recorder, written, say, rest, wait } = setUp();
  for (let i = 0; i < 1_000; i++) {
    say('restless', 'Ready');
    await rest();
    wait(10);
  }
  assert.equal(written.length, 25);
  say('quiet', 'Ready');
  await rest();
  assert.equal(written.length, 26);
  wait(295_000);
  say('restless', 'Ready');
  await rest();
  assert.equal(written.at(-1)!.count, 1_001);
  say('restless', 'Ready');
  await recorder.flush();
  assert.equal(written.at(-1)!.count, 1_002);
  assert.equal(written.length, 28);
});

test('after six minutes of quiet it is news', async () => {
  const { written, say, rest, wait } = setUp();
  say('a', 'Ready');
  await rest();
  wait(360_000);
  say('a', 'Ready');
  await rest();
  assert.deepEqual(
    written.map((w) => w.verb),
    ['create', 'create'],
  );
});

test('an event that could not be written is told with the next one, or at the end', async () => {
  const { recorder, written, fail, say, rest } = setUp();
  fail.push(new Error('no connection'), new Error('no connection'));
  say('a', 'Ready');
  await rest();
  say('a', 'Ready');
  await rest();
  assert.deepEqual(written, []);
  await recorder.flush();
  assert.deepEqual(
    written.map(({ verb, count }) => [verb, count]),
    [['create', 2]],
  );
});

test('an event that the server has forgotten is made anew, one that it has already is counted on', async () => {
  const { written, fail, say, rest } = setUp();
  say('a', 'Ready');
  await rest();
  fail.push(new ApiError(404, 'NotFound', ''));
  say('a', 'Ready');
  await rest();
  assert.deepEqual(written.at(-1), { ...written[0]!, count: 2 });
  fail.push(new ApiError(409, 'AlreadyExists', ''));
  say('b', 'Ready');
  await rest();
  assert.equal(written.at(-1)!.verb, 'patch');
});

test('a hundred thousand objects are not remembered', async () => {
  const { recorder, written, say } = setUp();
  for (let i = 0; i < 100_000; i++) say(`${i}`, 'Ready');
  await recorder.flush();
  // Nothing could be written in between but the one that was under way: what was forgotten by then is never told.
  assert.equal(written.length, 1_001);
});
