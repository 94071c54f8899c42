/**
 * The controller runtime against a real API server with everything in between that goes wrong. Whatever the fault: once it
 * is over the cache holds what the server holds, each change was told once, and while it lasted nobody asked in a hot loop.
 */
import assert from 'node:assert/strict';
import test, { after, before, suite } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { KubeClient } from '../../operator/kube/client.ts';
import { ApiError } from '../../operator/kube/errors.ts';
import { EventRecorder } from '../../operator/kube/events.ts';
import { Reflector } from '../../operator/kube/reflector.ts';
import type { Change } from '../../operator/kube/store.ts';
import {
  type ConfigMap,
  configMaps,
  events,
  type KubeObject,
  keyOf,
  type Manifest,
  pods,
} from '../../operator/kube/types.ts';
import { type ControlPlane, eventually, skip, startControlPlane } from './support/control-plane.ts';
import { type Asked, type Fault, type FaultyServer, startFaultyServer } from './support/faults.ts';
import { apply } from './support/install.ts';

/**
 * A fault lasts so long; a client that waits between attempts as it should makes fewer requests meanwhile, however small
 * the waits that it draws are. In a tight loop it would make hundreds.
 */
const faultMs = 3_000;
const requestsMax = 40;
const objects = 20;

const isWatch = ({ url }: Asked) => url.searchParams.get('watch') === 'true';
const beginsByStream = ({ url }: Asked) => url.searchParams.has('sendInitialEvents');
const status = (code: number, headers: Record<string, string> = {}): Fault => ({
  kind: 'answer',
  code,
  headers,
  body: { kind: 'Status', code, reason: 'Test', message: `says ${code}` },
});
const gone: Fault = {
  kind: 'event',
  event: { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } },
};

const faults: Record<string, (asked: Asked) => Fault | undefined> = {
  'watches that are cut in the middle of an event': (asked) =>
    isWatch(asked) ? { kind: 'cut', bytes: 700 } : undefined,
  'answers that are cut': () => ({ kind: 'cut', bytes: 300 }),
  '410 as a status, again and again': (asked) => (isWatch(asked) ? status(410) : undefined),
  '410 as an event, again and again': (asked) => (isWatch(asked) ? gone : undefined),
  '429 with Retry-After': () => status(429, { 'retry-after': '1' }),
  '500 from every request': () => status(500),
  '503 in HTML, from a proxy': () => ({ kind: 'answer', code: 503, headers: { 'content-type': 'text/html' } }),
  'watches that end at once': (asked) => (isWatch(asked) ? { kind: 'answer', code: 200 } : undefined),
  'connections on which nothing comes': () => ({ kind: 'hang', bytes: 0 }),
  'watches on which nothing comes any more': (asked) => (isWatch(asked) ? { kind: 'hang', bytes: 2_000 } : undefined),
  'answers that come in drops': () => ({ kind: 'slow', bytes: 100, everyMs: 5 }),
  'credentials that are refused': () => status(401),
};

interface Bench {
  readonly server: FaultyServer;
  readonly reflector: Reflector<ConfigMap>;
  readonly told: Change<ConfigMap>[];
  faulty: boolean;
  stop(): Promise<void>;
}

suite('the controller runtime between faults', { skip, concurrency: 6 }, () => {
  let plane: ControlPlane;
  before(async () => {
    plane = await startControlPlane({ controllers: false });
  });
  after(() => plane?.stop());

  let namespaces = 0;
  const newNamespace = async () => {
    const name = `faults-${namespaces++}`;
    await apply(plane.admin, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    return name;
  };

  const map = (namespace: string, i: number, text: string) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: `map-${i}`, namespace, labels: { faults: 'yes' } },
    data: { text },
  });

  const make = async (namespace: string) => {
    for (let i = 0; i < objects; i++) await plane.admin.apply(configMaps, map(namespace, i, 'before'), 'test');
  };

  /** All are changed, some of them by being deleted and made again, and some deleted for good. */
  const churn = async (namespace: string) => {
    for (let i = 0; i < objects; i++) {
      if (i % 5 === 4) await plane.admin.delete(configMaps, namespace, `map-${i}`);
      if (i % 10 !== 9) await plane.admin.apply(configMaps, map(namespace, i, 'during'), 'test');
    }
  };

  /** @param streams whether the server knows watches that begin with all there is */
  const startReflector = async (
    namespace: string,
    streams: boolean,
    fault: (asked: Asked) => Fault | undefined,
    patience = { silenceMsMax: 1_500, streamMsMax: 2_000 },
  ): Promise<Bench> => {
    const server = await startFaultyServer(plane);
    const old = (asked: Asked) => (!streams && beginsByStream(asked) ? status(422) : undefined);
    server.fault = (asked) => old(asked) ?? (bench.faulty ? fault(asked) : undefined);
    const client = new KubeClient(plane.adminCluster(server.port), { requestMsMax: 1_000 });
    const told: Change<ConfigMap>[] = [];
    const stopping = new AbortController();
    const reflector = new Reflector(
      client,
      configMaps,
      { namespace, labelSelector: 'faults=yes' },
      (change) => told.push(change),
      { patience },
    );
    const bench: Bench = {
      server,
      reflector,
      told,
      faulty: false,
      async stop() {
        stopping.abort();
        await running;
        await client.close();
        await server.close();
      },
    };
    const running = reflector.run(stopping.signal);
    return bench;
  };

  const converges = async ({ reflector, told }: Bench, namespace: string) => {
    const versions = (all: Iterable<KubeObject>) =>
      Object.fromEntries(Array.from(all, (o) => [keyOf(o), o.metadata.resourceVersion] as const).sort());
    await eventually(async () => {
      const { items } = await plane.admin.list(configMaps, { namespace, labelSelector: 'faults=yes' });
      return reflector.synced && isDeepStrictEqual(versions(reflector.store.values()), versions(items));
    }, `the truth of ${namespace}`);
    const replayed = new Map<string, string>();
    for (const { before, after } of told) {
      const key = keyOf((after ?? before)!);
      assert.equal(before?.metadata.resourceVersion, replayed.get(key), 'each change begins where the last one ended');
      if (after) replayed.set(key, after.metadata.resourceVersion);
      else replayed.delete(key);
      assert.notEqual(before?.metadata.resourceVersion, after?.metadata.resourceVersion, 'a change is none twice');
    }
    assert.deepEqual(Object.fromEntries(replayed), versions(reflector.store.values()));
  };

  /** The fault is there for a time, and is met with patience. */
  const during = async (bench: Bench, namespace: string) => {
    const from = bench.server.asked.length;
    bench.faulty = true;
    bench.server.cut();
    await Promise.all([churn(namespace), new Promise((resolve) => setTimeout(resolve, faultMs))]);
    const requests = bench.server.asked.length - from;
    bench.faulty = false;
    assert.ok(requests > 0, 'the fault was met');
    assert.ok(requests <= requestsMax, `${requests} requests in ${faultMs} ms`);
  };

  for (const [what, fault] of Object.entries(faults)) {
    for (const streams of [true, false]) {
      const server = streams ? '' : ', with a server that only lists';
      test(`${what}, from the start${server}`, async () => {
        const namespace = await newNamespace();
        await make(namespace);
        const bench = await startReflector(namespace, streams, fault);
        try {
          await during(bench, namespace);
          await converges(bench, namespace);
        } finally {
          await bench.stop();
        }
      });

      test(`${what}, after all was well${server}`, async () => {
        const namespace = await newNamespace();
        await make(namespace);
        const bench = await startReflector(namespace, streams, fault);
        try {
          await converges(bench, namespace);
          await during(bench, namespace);
          await converges(bench, namespace);
        } finally {
          await bench.stop();
        }
      });
    }
  }

  test('a stream of all there is that never ends makes way for pages', async () => {
    const namespace = await newNamespace();
    await make(namespace);
    const hangs = (asked: Asked): Fault | undefined =>
      beginsByStream(asked) ? { kind: 'hang', bytes: 1_000 } : undefined;
    const bench = await startReflector(namespace, true, hangs, { silenceMsMax: 60_000, streamMsMax: 1_000 });
    bench.faulty = true;
    try {
      await converges(bench, namespace);
      await eventually(() => bench.server.asked.length >= 3, 'the watch after the list');
      assert.deepEqual(bench.server.asked.map(isWatch), [true, false, true]);
      assert.deepEqual(bench.server.asked.map(beginsByStream), [true, false, false]);
    } finally {
      await bench.stop();
    }
  });

  test('pages that expire while they are read are read anew from the first', async () => {
    const namespace = await newNamespace();
    await make(namespace);
    let expiries = 3;
    const expires = ({ url }: Asked): Fault | undefined => {
      if (url.searchParams.has('continue') && expiries-- > 0) return status(410);
      return url.searchParams.has('limit') ? { kind: 'pages', size: 7 } : undefined;
    };
    const bench = await startReflector(namespace, false, expires);
    bench.faulty = true;
    try {
      await converges(bench, namespace);
      const lists = bench.server.asked.filter((asked) => !isWatch(asked));
      assert.equal(lists.length, 3 * 2 + 3);
    } finally {
      await bench.stop();
    }
  });

  const withClient = async (
    fault: (asked: Asked, count: number) => Fault | undefined,
    body: (client: KubeClient, server: FaultyServer, namespace: string) => Promise<void>,
    headers?: (anew: boolean) => Promise<Record<string, string>>,
  ) => {
    const server = await startFaultyServer(plane);
    let count = 0;
    server.fault = (asked) => fault(asked, count++);
    const cluster = plane.adminCluster(server.port);
    const client = new KubeClient(
      { ...cluster, headers: headers ?? cluster.headers },
      { requestMsMax: 2_000, writeMsLeft: () => 5_000 },
    );
    try {
      await body(client, server, await newNamespace());
    } finally {
      await client.close();
      await server.close();
    }
  };

  test('a create whose answer was lost is an error, and that it was done is seen at the second try', () =>
    withClient(
      (_, count) => (count === 0 ? { kind: 'lose' } : undefined),
      async (client, server, namespace) => {
        await assert.rejects(client.create(configMaps, map(namespace, 1, 'one')));
        assert.equal(server.asked.length, 1);
        await assert.rejects(client.create(configMaps, map(namespace, 1, 'two')), {
          code: 409,
          reason: 'AlreadyExists',
        });
      },
    ));

  test('an apply whose answer was lost is sent again and does what it does once', () =>
    withClient(
      (_, count) => (count < 2 ? { kind: 'lose' } : undefined),
      async (client, server, namespace) => {
        const applied = await client.apply<ConfigMap>(configMaps, map(namespace, 1, 'one'), 'test');
        assert.equal(applied.data!.text, 'one');
        assert.equal(server.asked.length, 3);
        const stored = await plane.admin.get(configMaps, namespace, 'map-1');
        assert.equal(stored!.metadata.resourceVersion, applied.metadata.resourceVersion);
      },
    ));

  test('an update of what has changed meanwhile is refused and not sent again', () =>
    withClient(
      () => undefined,
      async (client, server, namespace) => {
        const old = await client.create<ConfigMap>(configMaps, map(namespace, 1, 'one'));
        await client.update(configMaps, { ...old, data: { text: 'two' } });
        const stale = { ...old, data: { text: 'three' } };
        await assert.rejects(client.update(configMaps, stale), { code: 409, reason: 'Conflict' });
        assert.equal(server.asked.length, 3);
      },
    ));

  test('a token that has ended is read again, for writes and for watches', async () => {
    const { authorization } = await plane.adminCluster().headers(false);
    let read = 'Bearer ended';
    await withClient(
      () => undefined,
      async (client, server, namespace) => {
        await client.create(configMaps, map(namespace, 1, 'one'));
        const tokens = server.asked.map((asked) => asked.token);
        assert.deepEqual(tokens, ['Bearer ended', authorization]);
        read = 'Bearer ended again';
        const from = {
          resourceVersion: undefined,
          timeoutSeconds: 60,
          silenceMsMax: 5_000,
          signal: AbortSignal.timeout(5_000),
        };
        const { value } = await client.watch(configMaps, { namespace, labelSelector: 'faults=yes' }, from).next();
        assert.equal(value?.object.metadata.name, 'map-1');
        assert.equal(server.asked.length, 4);
      },
      async (anew) => {
        if (anew) read = authorization!;
        return { authorization: read };
      },
    );
  });

  test('an annotation of a pod that is another’s is not taken, and no pod is made by annotating it', () =>
    withClient(
      () => undefined,
      async (client, _, namespace) => {
        const about = (name: string, uid: string, value: string) => ({
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: { name, namespace, uid, annotations: { 'herd.network/test': value } },
        });
        const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'mix', namespace } };
        const spec = { containers: [{ name: 'mix', image: 'none' }] };
        const { uid } = (await client.create(pods, { ...pod, spec } as Manifest)).metadata;
        await client.apply(pods, about('mix', uid, 'user'), 'user');
        await assert.rejects(client.apply(pods, about('mix', uid, 'ours'), 'herd', 'yield'), { code: 409 });
        const gone = about('gone', uid, 'ours');
        await assert.rejects(client.apply(pods, gone, 'herd', 'yield'), (e) => e instanceof ApiError && e.code === 409);
      },
    ));

  test('what is said of an object again is one event with a count', () =>
    withClient(
      () => undefined,
      async (client, _, namespace) => {
        const recorder = new EventRecorder(client, 'test');
        const about = await client.create(configMaps, map(namespace, 1, 'one'));
        for (let i = 0; i < 3; i++) {
          recorder.record(
            { ...about, apiVersion: 'v1', kind: 'ConfigMap' },
            'Warning',
            'NotReady',
            'Test',
            'not ready',
          );
          await recorder.flush();
        }
        const { items } = await client.list<KubeObject & { series?: { count: number } }>(events, { namespace });
        assert.deepEqual(
          items.map((event) => event.series?.count),
          [3],
        );
      },
    ));
});
