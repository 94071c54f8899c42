import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import type { SignedPurpose } from '../../../../nodes/crypto/signed.ts';
import { readDirectoryNodes } from '../../../../operator/plan/directory-nodes.ts';
import { certified } from '../../nodes/support/certified.ts';

const root = new Identity(Buffer.alloc(32, 1));
const rootKey = root.publicKey.toString('base64');
const nowMs = Date.parse('2026-01-01T00:00:00Z');
const node = { id: 'eu-mix-0', role: 'mix', registered: true, draining: true, empty: false, expelled: null };
const document = { zone: 'eu', issuedAt: nowMs, nodes: [node] };
const answer = (of: object, purpose: SignedPurpose = 'herd-nodes-v1', by = root) =>
  certified(by, 'eu', JSON.stringify(of), purpose);

test('what a directory says of its nodes under the zone’s root key, by id', () => {
  const { id: _id, role: _role, ...said } = node;
  const read = readDirectoryNodes(answer(document), 'eu', rootKey, nowMs);
  assert.deepEqual(read, new Map([['eu-mix-0', { ...said, expelled: undefined }]]));
});

test('is not believed under another key, for something else, of another zone or of another time', () => {
  const { certificate: _, ...uncertified } = answer(document);
  const rows: [unknown, RegExp][] = [
    [answer(document, 'herd-nodes-v1', new Identity(Buffer.alloc(32, 2))), /certificate .* not signed/],
    [answer(document, 'herd-consensus-v1'), /list of nodes .* not signed/],
    [uncertified, /certificate/],
    [certified(root, 'na', JSON.stringify(document), 'herd-nodes-v1'), /certificate is of zone na/],
    [answer({ ...document, zone: 'na' }), /it is of zone na/],
    [answer({ ...document, issuedAt: nowMs - 600_000 }), /another time/],
    [answer({ ...document, nodes: [{ id: 'eu-mix-0' }] }), /registered/],
  ];
  for (const [i, [given, problem]] of rows.entries())
    assert.throws(() => readDirectoryNodes(given, 'eu', rootKey, nowMs), problem, `row ${i}`);
});

test('nothing that is not signed is read', () => {
  fc.assert(
    fc.property(fc.anything(), (given) => assert.throws(() => readDirectoryNodes(given, 'eu', rootKey, nowMs))),
  );
});
