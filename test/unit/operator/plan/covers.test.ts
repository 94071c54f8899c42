import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { covers } from '../../../../operator/plan/covers.ts';

test('defaults that the server adds do not matter, all that we named does', () => {
  const rows: [unknown, unknown, boolean][] = [
    [{ a: 1, b: 2 }, { a: 1 }, true],
    [{ a: 1 }, { a: 1, b: 2 }, false],
    [{ ports: [{ port: 1, protocol: 'UDP' }] }, { ports: [{ port: 1 }] }, true],
    [{ ports: [{ port: 1 }, { port: 2 }] }, { ports: [{ port: 1 }] }, false],
    [{ a: null }, { a: {} }, false],
    [{}, { a: undefined }, true],
    [undefined, { a: 1 }, false],
  ];
  for (const [i, [observed, wanted, expected]] of rows.entries())
    assert.equal(covers(observed, wanted), expected, `row ${i}`);
});

test('everything covers itself', () => {
  fc.assert(fc.property(fc.jsonValue(), (value) => covers(value, structuredClone(value))));
});
