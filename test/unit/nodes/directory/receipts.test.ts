import assert from 'node:assert/strict';
import test from 'node:test';
import { signDescriptor } from '../../../../nodes/config/descriptor.ts';
import type { DirectoryZone, RosterEntry } from '../../../../nodes/config/node.ts';
import { type Receipt, type RoundsReport, verifyReceipt } from '../../../../nodes/config/receipt.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import { Directory } from '../../../../nodes/directory/directory.ts';
import { DEFAULT_PARAMS } from '../../../sim/zones.ts';
import { signerOf } from '../support/certified.ts';
import { publishing } from '../support/keys.ts';

const PERIOD_MS = 600_000;
const START_MS = Date.parse('2030-01-01T00:00:00Z');
const SETTLED_MS = START_MS + PERIOD_MS + 60_000;
const ROOT = new Identity(Buffer.alloc(32, 1));
const SIGNERS = new Map([['eu', signerOf('eu', ROOT)]]);
const NODES = Object.fromEntries(
  ['mix-1', 'mix-2', 'sp-a', 'sp-b'].map((id, index) => [id, new Identity(Buffer.alloc(32, 10 + index))]),
);
const keyOf = (id: string) => NODES[id]!.publicKey.toString('base64');
const superpeer = (id: string): RosterEntry => ({ id, role: 'superpeer', identityKey: keyOf(id), channels: 2 });

const zoneOf = (change: Partial<DirectoryZone> = {}): DirectoryZone => ({
  zone: 'eu',
  provider: 'north',
  jurisdiction: 'EU',
  params: { ...DEFAULT_PARAMS, receiptSeconds: PERIOD_MS / 1000 },
  roster: [
    ...['mix-1', 'mix-2'].map((id): RosterEntry => ({ id, role: 'mix', identityKey: keyOf(id) })),
    superpeer('sp-a'),
    superpeer('sp-b'),
  ],
  peers: [],
  ...change,
});

function started(): Directory {
  const listen = { port: 1 };
  const config = { role: 'directory', id: 'd', listen, metrics: listen, epochSeconds: 900 } as const;
  return new Directory({ ...config, zones: [zoneOf()] }, SIGNERS);
}

/** A mix's process says what it has counted. */
function report(directory: Directory, nowMs: number, id: string, boot: number, ...rounds: RoundsReport[]) {
  const about = { zone: 'eu', id, endpoint: '10.0.0.1:7000', ...publishing(1), boot, issuedAt: nowMs };
  assert.equal(directory.register(nowMs, 'eu', signDescriptor(NODES[id]!, { ...about, rounds })), 'accepted');
}
const of = (from: number, ...counts: RoundsReport['counts']): RoundsReport => ({ from, counts });

function receipts(directory: Directory, nowMs: number): Receipt[] {
  return directory.receipts(nowMs, 'eu')!.map((signed) => {
    const receipt = verifyReceipt(signed, ROOT.publicKey, 'eu');
    assert('superpeer' in receipt, JSON.stringify(receipt));
    return receipt;
  });
}
const brief = (directory: Directory, nowMs: number) =>
  receipts(directory, nowMs).map(({ superpeer, expected, valid, bad, expelled }) => {
    return `${superpeer} ${expected} ${valid} ${bad}${expelled ? ' expelled' : ''}`;
  });

test('signs what all mixes have counted, a minute after the period, one receipt per superpeer', () => {
  const directory = started();
  report(directory, START_MS + 1, 'mix-1', 1, of(START_MS, ['sp-a', 100, 90, 1, 0]));
  report(directory, START_MS + 2, 'mix-2', 1, of(START_MS, ['sp-a', 100, 100, 0, 0], ['sp-b', 50, 20, 0, 1]));
  report(directory, START_MS + 3, 'mix-1', 1, of(START_MS, ['sp-a', 110, 99, 1, 0]));
  assert.deepEqual(receipts(directory, SETTLED_MS - 1), []);
  assert.deepEqual(brief(directory, SETTLED_MS), ['sp-a 210 199 1', 'sp-b 50 20 0 expelled']);
  const [first] = receipts(directory, SETTLED_MS + 5);
  assert.deepEqual(first, {
    ...{ zone: 'eu', superpeer: 'sp-a', identityKey: keyOf('sp-a'), channels: 2, expelled: false },
    ...{ from: START_MS, until: START_MS + PERIOD_MS, expected: 210, valid: 199, bad: 1, issuedAt: SETTLED_MS },
  });
  report(directory, SETTLED_MS + 6, 'mix-1', 1, of(START_MS, ['sp-a', 900, 900, 0, 0]));
  assert.equal(receipts(directory, SETTLED_MS + 7)[0]!.expected, 210, 'what is signed stays');
  assert.equal(directory.receipts(SETTLED_MS, 'na'), undefined);
});

test('a mix that starts anew adds to what it had counted, and one that repeats itself to nothing', () => {
  const directory = started();
  for (let again = 0; again < 3; again += 1)
    report(directory, START_MS + again, 'mix-1', 1, of(START_MS, ['sp-a', 100, 100, 0, 1]));
  report(directory, START_MS + 10, 'mix-1', 2, of(START_MS, ['sp-a', 5, 4, 0, 0]));
  report(directory, START_MS + 20, 'mix-1', 3, of(START_MS, ['sp-a', 7, 7, 0, 0]));
  assert.deepEqual(brief(directory, SETTLED_MS), ['sp-a 112 111 0 expelled']);
});

test('a directory that starts anew signs the last period again from what mixes still hold, when it has heard them', () => {
  const before = started();
  const counted = of(START_MS, ['sp-a', 100, 90, 0, 0]);
  const running = of(START_MS + PERIOD_MS, ['sp-a', 10, 10, 0, 0]);
  report(before, START_MS + 1, 'mix-1', 1);
  report(before, SETTLED_MS - 1, 'mix-1', 1, counted, running);
  const told = brief(before, SETTLED_MS);
  const after = started();
  report(after, SETTLED_MS + 1, 'mix-1', 1, counted, running);
  assert.deepEqual(receipts(after, SETTLED_MS + 2), [], 'not before the other mixes have had their time');
  assert.deepEqual(brief(after, SETTLED_MS + 60_001), told);
  report(after, SETTLED_MS + PERIOD_MS, 'mix-1', 1, running);
  assert.deepEqual(brief(after, SETTLED_MS + PERIOD_MS), [...told, 'sp-a 10 10 0']);
});

test('no receipt for who is in the roster no more, from whom nothing was expected, or of what no mix says', () => {
  const directory = started();
  report(directory, START_MS + 1, 'sp-a', 1, of(START_MS, ['sp-a', 1000, 1000, 0, 0]));
  report(
    directory,
    START_MS + 1,
    'mix-1',
    1,
    of(START_MS, ['sp-b', 9, 9, 0, 0], ['mix-2', 9, 9, 0, 0], ['sp-a', 0, 0, 0, 0]),
  );
  const roster = zoneOf().roster.filter(({ id }) => id !== 'sp-b');
  directory.configure(START_MS + 2, [zoneOf({ roster })], SIGNERS);
  assert.deepEqual(receipts(directory, SETTLED_MS), []);
});

test('periods that have not begun, are long over or begin elsewhere are not taken', () => {
  const directory = started();
  const odd = [START_MS + PERIOD_MS, START_MS - 3 * PERIOD_MS, START_MS - 1, 0];
  for (const [index, from] of odd.entries())
    report(directory, START_MS + index, 'mix-1', 1, of(from, ['sp-a', 100, 100, 0, 0]));
  assert.deepEqual(receipts(directory, SETTLED_MS + PERIOD_MS), []);
});

test('keeps the last eight periods; another length forgets what is not signed', () => {
  const directory = started();
  for (let period = 0; period < 10; period += 1) {
    const from = START_MS + period * PERIOD_MS;
    report(directory, from + 1, 'mix-1', 1, of(from, ['sp-a', 100 + period, 100, 0, 0]));
  }
  const last = START_MS + 10 * PERIOD_MS;
  assert.deepEqual(
    receipts(directory, last + 60_000).map(({ expected }) => expected),
    [102, 103, 104, 105, 106, 107, 108, 109],
  );
  report(directory, last + 60_001, 'mix-1', 1, of(last, ['sp-a', 1, 1, 0, 0]));
  directory.configure(last + 60_002, [zoneOf({ params: { ...DEFAULT_PARAMS, receiptSeconds: 60 } })], SIGNERS);
  assert.equal(receipts(directory, last + 2 * PERIOD_MS).length, 8);
});
