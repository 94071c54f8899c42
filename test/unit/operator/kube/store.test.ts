import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Store } from '../../../../operator/kube/store.ts';
import { controllerOf, type KubeObject, keyOf } from '../../../../operator/kube/types.ts';

interface Painted extends KubeObject {
  readonly colours: readonly string[];
}

const store = () =>
  new Store<Painted>({ colour: ({ colours }) => colours, namespace: ({ metadata }) => [metadata.namespace!] });

const object = (
  name: string,
  namespace: string,
  owner: string,
  colours: readonly string[],
  version: number,
): Painted => ({
  metadata: {
    name,
    namespace,
    uid: name,
    resourceVersion: `${version}`,
    creationTimestamp: '2026-01-01T00:00:00Z',
    ownerReferences: [
      { apiVersion: 'v1', kind: 'A', name: 'not the controller', uid: 'x' },
      ...(owner ? [{ apiVersion: 'v1', kind: 'A', name: owner, uid: owner, controller: true }] : []),
    ],
  },
  colours,
});

test('every index answers what a scan would, whatever was put and removed', () => {
  const letter = fc.constantFrom('a', 'b', 'c');
  const command = fc.record({
    put: fc.boolean(),
    name: letter,
    namespace: letter,
    owner: fc.constantFrom('', 'a', 'b'),
    colours: fc.array(fc.constantFrom('red', 'blue')),
  });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
      const s = store();
      let version = 0;
      for (const { put, name, namespace, owner, colours } of commands) {
        if (put) s.put(object(name, namespace, owner, colours, ++version));
        else s.remove(`${namespace}/${name}`);
      }
      const scan = (wanted: (o: Painted) => boolean) => [...s.values()].filter(wanted).map(keyOf).sort();
      const found = (index: string, value: string) => s.by(index, value).map(keyOf).sort();
      for (const value of ['a', 'b', 'c', 'red', 'blue']) {
        assert.deepEqual(
          found('namespace', value),
          scan((o) => o.metadata.namespace === value),
        );
        assert.deepEqual(
          found('owner', value),
          scan((o) => controllerOf(o)?.uid === value),
        );
        assert.deepEqual(
          found('colour', value),
          scan((o) => o.colours.includes(value)),
        );
      }
    }),
  );
});

test('a look-up by owner among a hundred thousand takes as long as among a hundred', () => {
  const s = store();
  for (let i = 0; i < 100_000; i++) s.put(object(`${i}`, 'n', `owner-${i >> 1}`, [], 1));
  const started = performance.now();
  for (let i = 0; i < 10_000; i++) assert.equal(s.by('owner', `owner-${i}`).length, 2);
  // A scan of this store takes a millisecond or more, so ten thousand of them ten seconds.
  assert.ok(performance.now() - started < 1_000);
});

test('nobody can change what all share', () => {
  const s = store();
  const mine = object('a', 'n', 'o', ['red'], 1);
  s.put(mine);
  const shared = s.get('n/a')! as unknown as { colours: string[]; metadata: { uid: string } };
  assert.throws(() => {
    shared.colours[0] = 'blue';
  }, TypeError);
  assert.throws(() => {
    shared.metadata.uid = 'mine';
  }, TypeError);
});

test('a version that is there already is no change, an index that is not there an error', () => {
  const s = store();
  assert.ok(s.put(object('a', 'n', '', ['red'], 1)));
  assert.equal(s.put(object('a', 'n', '', ['red'], 1)), undefined);
  assert.equal(s.remove('n/b'), undefined);
  assert.throws(() => s.by('size', '1'), /no index size/);
});

test('objects share their equal parts and are what they were', () => {
  const json = fc.jsonValue({ maxDepth: 4 });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b'), json), { maxLength: 12 }), (specs) => {
      const s = store();
      for (const [i, [name, spec]] of specs.entries()) {
        const wanted = { ...object(name, 'n', 'o', [], i), spec };
        const change = s.put(JSON.parse(JSON.stringify(wanted)));
        assert.deepEqual(change!.after, JSON.parse(JSON.stringify(wanted)));
        assert.equal(change!.after, s.get(`n/${name}`));
      }
    }),
  );
  const s = store();
  const template = () => ({ containers: [{ name: 'mix', args: ['a', 'b'] }], volumes: [] });
  const [a, b] = ['a', 'b'].map((name) => {
    const change = s.put({ ...object(name, 'n', 'o', [], 1), spec: { name, template: template() } } as Painted);
    return change!.after as unknown as { spec: { name: string; template: object } };
  });
  assert.equal(a!.spec.template, b!.spec.template);
  assert.deepEqual([a!.spec.name, b!.spec.name], ['a', 'b']);
  assert.ok(Object.isFrozen(b!.spec));
});
