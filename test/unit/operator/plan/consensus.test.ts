import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import test from 'node:test';
import fc from 'fast-check';
import { readConsensus } from '../../../../operator/plan/consensus.ts';

const { privateKey, publicKey } = generateKeyPairSync('ed25519');
const rootKey = Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url').toString('base64');
const nowMs = Date.parse('2026-01-01T00:00:00Z');
const document = { zone: 'eu', epoch: 3, validUntil: '2026-01-01T00:15:00Z', nodes: [{ id: 'eu-mix-0' }] };

function answer(of: object, context = 'herd-consensus-v1\n') {
  const consensus = JSON.stringify(of);
  return { own: { consensus, signature: sign(null, Buffer.from(context + consensus), privateKey).toString('base64') } };
}

test('a consensus signed with the zone’s root key gives its epoch and nodes', () => {
  const expected = { kind: 'verified', epoch: 3, registered: new Set(['eu-mix-0']) };
  assert.deepEqual(readConsensus(answer(document), 'eu', rootKey, nowMs), expected);
});

test('anything else is unreachable, with the reason', () => {
  const good = answer(document);
  const otherKey = Buffer.alloc(32, 1).toString('base64');
  const rows: [unknown, string, RegExp][] = [
    [{}, rootKey, /not a view/],
    [answer(document, ''), rootKey, /not signed/],
    [good, otherKey, /not signed/],
    [{ own: { ...good.own, consensus: good.own.consensus.replace('3', '4') } }, rootKey, /not signed/],
    [answer({ zone: 'eu' }), rootKey, /can’t be read/],
    [answer({ ...document, zone: 'na' }), rootKey, /of zone na/],
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
