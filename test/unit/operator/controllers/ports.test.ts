import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { NodeSlot, NodeSlotSpec } from '../../../../operator/api/slot.ts';
import { Ports } from '../../../../operator/controllers/ports.ts';
import { keyOf } from '../../../../operator/kube/types.ts';
import { candidates, mayMeet, portsOf } from '../../../../operator/plan/ports.ts';
import { slot } from '../samples.ts';

const network = (first: number, count: number, mode: 'Host' | 'Pod' = 'Host') => ({
  mode,
  ports: { first, count },
  addresses: 'Public' as const,
});
const node = (name: string, spec: Partial<NodeSlotSpec> = {}): NodeSlot =>
  slot(name, 'mix', {}, { port: undefined, ...spec });
const having = (of: NodeSlot, port: number): NodeSlot => ({ ...of, spec: { ...of.spec, port } });
const see = (ports: Ports, of: NodeSlot) => ports.see(keyOf(of), of);

test('whatever comes, goes and changes, no two slots that may meet on a machine are given one port', () => {
  const spec = fc.record({
    nodeSelector: fc.dictionary(fc.constantFrom('region', 'pool'), fc.constantFrom('a', 'b')),
    network: fc.record({ first: fc.constantFrom(2000, 2004), count: fc.constantFrom(4, 8) }),
  });
  const name = fc.constantFrom('eu-a', 'eu-b', 'eu-c', 'eu-d', 'eu-e', 'eu-f', 'eu-g', 'eu-h');
  const step = fc.record({ name, spec: fc.option(spec), isShown: fc.boolean() });
  const property = fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
    const ports = new Ports();
    const there = new Map<string, NodeSlot>();
    for (const { name, spec, isShown } of steps) {
      if (!spec) {
        ports.see(`herd/${name}`, undefined);
        there.delete(name);
        continue;
      }
      const { port: had } = there.get(name)?.spec ?? {};
      const wished = node(name, {
        port: had,
        nodeSelector: spec.nodeSelector,
        network: network(spec.network.first, spec.network.count),
      });
      const port = ports.of(wished);
      there.delete(name);
      if (port !== undefined) there.set(name, having(wished, port));
      if (port !== undefined && isShown) see(ports, having(wished, port));
    }
    // Where the labels of a slot have changed, the others find out when they are looked at.
    for (let i = 0; i < 3; i += 1) {
      for (const [name, one] of [...there].sort()) {
        const port = ports.of(one);
        if (port === undefined) there.delete(name);
        else there.set(name, having(one, port));
      }
    }
    const all = [...there.values()];
    for (const a of all) {
      for (const b of all) {
        if (a === b || !mayMeet(a.spec.nodeSelector, b.spec.nodeSelector)) continue;
        const [of, others] = [a, b].map(({ spec }) => Object.values(portsOf(spec)!));
        assert.ok(!of!.some((port) => others!.includes(port)), `${JSON.stringify([a.spec, b.spec])}`);
      }
    }
  });
  fc.assert(property, { numRuns: 300 });
});

test('a port stays, whoever comes later and whether or not the cache shows it yet', () => {
  const ports = new Ports();
  const first = node('eu-a', { network: network(2000, 2) });
  const port = ports.of(first)!;
  see(ports, first);
  assert.equal(ports.of(first), port);
  assert.equal(ports.of(node('eu-b', { network: network(2000, 2) })), port === 2000 ? 2001 : 2000);
  assert.equal(ports.of(having(first, port)), port);
});

test('when all ports of a range are taken there is none, until one becomes free or the machines are others', () => {
  const ports = new Ports();
  const [a, b, c] = ['eu-a', 'eu-b', 'eu-c'].map((name) => node(name, { network: network(2000, 2) }));
  see(ports, having(a!, 2000));
  see(ports, having(b!, 2001));
  assert.equal(ports.of(c!), undefined);
  assert.notEqual(
    ports.of({ ...c!, spec: { ...c!.spec, nodeSelector: { 'topology.kubernetes.io/region': 'na' } } }),
    undefined,
  );
  ports.see(keyOf(c!), undefined);
  ports.see(keyOf(a!), undefined);
  assert.equal(ports.of(c!), 2000);
});

test('cells of one range are not where another has its metrics', () => {
  const ports = new Ports();
  see(ports, having(node('eu-a', { network: network(2000, 4) }), 2000));
  assert.equal(ports.of(node('eu-b', { network: network(2004, 1) })), undefined);
});

test('a slot whose range is another gets another port; one in the pod network gives its port back', () => {
  const ports = new Ports();
  const a = having(node('eu-a', { network: network(2000, 1) }), 2000);
  see(ports, a);
  const moved = { ...a, spec: { ...a.spec, network: network(3000, 1) } };
  assert.equal(ports.of(moved), 3000);
  see(ports, { ...a, spec: { ...a.spec, network: network(2000, 1, 'Pod') } });
  assert.equal(ports.of({ ...a, spec: { ...a.spec, network: network(2000, 1, 'Pod') } }), undefined);
  assert.equal(ports.of(node('eu-b', { network: network(2000, 1) })), 2000);
});

test('of two with one port the second by name gets another', () => {
  const ports = new Ports();
  const [a, b] = ['eu-a', 'eu-b'].map((name) => having(node(name), 21007));
  see(ports, a!);
  see(ports, b!);
  assert.equal(ports.of(a!), 21007);
  assert.notEqual(ports.of(b!), 21007);
});

test('where a slot begins to try follows from its name, and it tries every port once', () => {
  const range = { first: 2000, count: 7 };
  assert.deepEqual(candidates(range, 'eu-eu-mix-0'), candidates(range, 'eu-eu-mix-0'));
  assert.notEqual(candidates(range, 'eu-eu-mix-0')[0], candidates(range, 'eu-eu-mix-1')[0]);
  assert.deepEqual(candidates(range, 'eu-eu-mix-0').sort(), [2000, 2001, 2002, 2003, 2004, 2005, 2006]);
});
