import assert from 'node:assert/strict';
import test from 'node:test';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import { readDirectoryNodes } from '../../../../operator/plan/directory-nodes.ts';
import { certified } from '../../nodes/support/certified.ts';

const root = new Identity(Buffer.alloc(32, 1));
const rootKey = root.publicKey.toString('base64');
const now = Date.parse('2026-01-01T00:00:00Z');
const nodes = [
  { id: 'a', role: 'mix', boot: 1, registered: true, draining: true, answered: true, empty: false, expelled: null },
  { id: 'b', role: 'superpeer', boot: null, registered: false, draining: false, answered: null, expelled: 'tampering' },
];
const report = (content: object) => certified(root, 'eu', JSON.stringify(content), 'herd-nodes-v1');
const good = { zone: 'eu', issuedAt: now, nodes };

test('a report says of each node of the roster what the directory knows', () => {
  const read = readDirectoryNodes(report(good), 'eu', rootKey, now);
  assert.ok(!('refused' in read));
  assert.deepEqual(
    [...read],
    [
      ['a', { registered: true, draining: true, answered: true, empty: false, expelled: undefined }],
      ['b', { registered: false, draining: false, answered: undefined, empty: undefined, expelled: 'tampering' }],
    ],
  );
});

test('a report that is not the zone’s, not of now, or for another purpose is refused with the reason', () => {
  const rows: [string, unknown, RegExp][] = [
    ['nothing', {}, /not a report/],
    ['another zone', report({ ...good, zone: 'na' }), /of zone na/],
    ['an hour old', report({ ...good, issuedAt: now - 3_600_000 }), /another time/],
    ['a consensus', certified(root, 'eu', JSON.stringify(good)), /not signed/],
    [
      'another root',
      certified(new Identity(Buffer.alloc(32, 2)), 'eu', JSON.stringify(good), 'herd-nodes-v1'),
      /root key/,
    ],
    ['a report without nodes', report({ zone: 'eu', issuedAt: now }), /can’t be read/],
    ['no JSON', certified(root, 'eu', '{', 'herd-nodes-v1'), /can’t be read/],
  ];
  for (const [row, answer, why] of rows) {
    const read = readDirectoryNodes(answer, 'eu', rootKey, now);
    assert.ok('refused' in read, row);
    assert.match(read.refused, why, row);
  }
});
