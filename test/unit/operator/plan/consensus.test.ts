import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { envelope } from '../../../../nodes/config/consensus.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import { readConsensus } from '../../../../operator/plan/consensus.ts';
import { certified } from '../../nodes/support/certified.ts';

const root = new Identity(Buffer.alloc(32, 1));
const rootKey = root.publicKey.toString('base64');
const nowMs = Date.parse('2026-01-01T00:00:00Z');
const document = { zone: 'eu', epoch: 3, validUntil: '2026-01-01T00:15:00Z', nodes: [{ id: 'eu-mix-0' }] };

const answer = (of: object, ...more: ['herd-verdict-v1'] | []) => ({
  own: envelope(certified(root, 'eu', JSON.stringify(of), ...more)),
});

test('a consensus under the zone’s root key gives its epoch and its links’ rates', () => {
  const expected = { kind: 'verified', epoch: 3 };
  assert.deepEqual(readConsensus(answer(document), 'eu', rootKey, nowMs), { ...expected, meshRates: [] });
  const meshRates = [{ zone: 'na', cellsPerTick: 5, from: nowMs }];
  assert.deepEqual(readConsensus(answer({ ...document, meshRates }), 'eu', rootKey, nowMs), { ...expected, meshRates });
});

test('anything else is unreachable, with the reason', () => {
  const good = answer(document);
  const { certificate: _, ...uncertified } = good.own;
  const otherKey = Buffer.alloc(32, 1).toString('base64');
  const rows: [unknown, string, RegExp][] = [
    [{}, rootKey, /not a view/],
    [{ own: uncertified }, rootKey, /not a view/],
    [answer(document, 'herd-verdict-v1'), rootKey, /consensus .* not signed/],
    [good, otherKey, /certificate .* not signed/],
    [{ own: { ...good.own, consensus: good.own.consensus.replace('3', '4') } }, rootKey, /consensus .* not signed/],
    [{ own: envelope(certified(root, 'na', JSON.stringify(document))) }, rootKey, /certificate is of zone na/],
    [answer({ zone: 'eu' }), rootKey, /can’t be read/],
    [answer({ ...document, zone: 'na' }), rootKey, /consensus is of zone na/],
    [answer({ ...document, validUntil: '2025-12-31T23:59:59Z' }), rootKey, /expired/],
    [answer({ ...document, validUntil: 'soon' }), rootKey, /expired/],
  ];
  for (const [i, [given, rootKeyGiven, problem]] of rows.entries()) {
    const read = readConsensus(given, 'eu', rootKeyGiven, nowMs);
    assert.equal(read.kind, 'unreachable', `row ${i}`);
    assert.match((read as { problem: string }).problem, problem, `row ${i}`);
  }
});

test('no answer whatever makes the reader throw', () => {
  fc.assert(fc.property(fc.anything(), (given) => readConsensus(given, 'eu', rootKey, nowMs).kind === 'unreachable'));
});
