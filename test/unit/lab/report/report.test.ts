import assert from 'node:assert/strict';
import test from 'node:test';
import { delayMsAtR } from '../../../../evaluation/quality/emodel.ts';
import { problems } from '../../../../lab/report/checks.ts';
import { figure7 } from '../../../../lab/report/plot.ts';
import { reportJson } from '../../../../lab/report/report.ts';
import { table } from '../../../../lab/report/table.ts';
import { measured, twelve } from './rows.ts';

test('the table has a line for each call, set under its headings', () => {
  const rows = [
    measured('eu', 'na', { oneWayMs: 107.54, directMs: 45 }),
    { from: 'eu', to: 'sa', outcome: 'failed' as const, reason: 'the callee did not answer' },
    measured('au', 'sa', { oneWayMs: 222.5, directMs: 160, lossRatio: 0.004, segmentalSnrDb: 33.94 }),
  ];
  assert.deepEqual(table(rows).split('\n'), [
    'from  to  set-up  one-way  direct  added  loss     R   MOS  Herd     Drac      SNR',
    '              ms       ms      ms     ms     %              band     band       dB',
    '----------------------------------------------------------------------------------',
    'eu    na     612    107.5    45.0   62.5  0.00  90.2  4.34  perfect  perfect  34.5',
    'eu    sa  failed: the callee did not answer',
    'au    sa     612    222.5   160.0   62.5  0.40  74.1  3.78  medium   high     33.9',
    '',
    '"from" calls and hears "to": one-way = network through Herd, direct = without it, added = the difference; ' +
      'R, MOS and both bands also count 20 ms of packetization and the playout buffer (40 ms).',
  ]);
});

test('the table stands even if every call failed', () => {
  const text = table([{ from: 'eu', to: 'na', outcome: 'failed', reason: 'no' }]);
  assert.match(text, /^eu {4}na {2}failed: no$/m);
  assert.doesNotMatch(text, /Infinity|undefined/);
});

test('twelve good calls have no problem', () => {
  assert.deepEqual(problems(twelve().filter(({ outcome }) => outcome === 'measured')), []);
});

const BAD = [
  {
    what: 'a failed call',
    row: { from: 'eu', to: 'na', outcome: 'failed' as const, reason: 'no route.' },
    says: ['failed: no route'],
  },
  { what: 'a percent of loss', row: measured('eu', 'na', { lossRatio: 0.01 }), says: ['lost 1.0 % of its frames'] },
  {
    what: 'a wrong voice',
    row: measured('eu', 'na', { segmentalSnrDb: 31.9, framesPresent: 0.91 }),
    says: ['SNR 31.9 dB is under 32, 91.0 % of the frames'],
  },
  {
    what: 'loss that costs a band',
    row: measured('eu', 'na', { oneWayMs: 110, lossRatio: 0.002 }),
    says: ['quality is high where its 170 ms from mouth to ear alone would be perfect'],
  },
  { what: 'a shortcut', row: measured('eu', 'na', { oneWayMs: 40, directMs: 50 }), says: ['came 10.0 ms sooner'] },
  {
    what: 'silence',
    row: measured('eu', 'na', { lossRatio: 0.5, segmentalSnrDb: 0, framesPresent: 0 }),
    says: ['lost 50.0 %', 'SNR 0.0 dB', 'quality is not recommended'],
  },
];

for (const { what, row, says } of BAD) {
  test(`${what} is a problem, in a sentence that names the call`, () => {
    const found = problems([row]);
    assert.equal(found.length, says.length, found.join(' | '));
    for (const [i, sentence] of found.entries()) {
      assert.ok(sentence.startsWith('eu calls na: ') && sentence.includes(says[i]), sentence);
      assert.match(sentence, /[^.]\.$/);
    }
  });
}

test('loss just under the limit, and sound just at it, pass', () => {
  assert.deepEqual(problems([measured('eu', 'na', { lossRatio: 0.0099, oneWayMs: 125, segmentalSnrDb: 32 })]), []);
});

test('the report says what ran, every call and how long each phase took', () => {
  const versions = { kubernetes: 'v1.37.2', containerd: '2.1.9', node: 'v24.21.0', commit: 'b19d278' };
  const json = reportJson({ versions, calls: twelve(), timings: { cluster: 12345.678912 } });
  const read = JSON.parse(json);
  assert.deepEqual(Object.keys(read), ['versions', 'calls', 'timings']);
  assert.deepEqual(read.versions, versions);
  assert.equal(read.calls.length, 12);
  assert.equal(read.calls[0].seconds[0].rttMs, 215);
  assert.equal(read.timings.cluster, 12345.6789);
});

/** The numbers of an attribute in every element of that name. */
function attribute(svg: string, element: string, name: string): number[] {
  return [...svg.matchAll(new RegExp(`<${element} [^>]*\\b${name}="([-\\d.]+)"`, 'g'))].map(([, value]) =>
    Number(value),
  );
}

test('the plot marks every measured call and says which failed', () => {
  const svg = figure7(twelve());
  assert.equal(attribute(svg, 'circle', 'cx').length, 11 + 1, 'eleven calls and the legend');
  assert.equal([...svg.matchAll(/<path /g)].length, 11 + 1);
  assert.equal([...svg.matchAll(/>call failed</g)].length, 1);
  for (const name of ['perfect', 'high', 'medium', 'low', 'poor']) assert.ok(svg.includes(`>${name}<`), name);
  assert.ok(!svg.includes('not recommended'));
});

test('a mark lies on the bound of two bands if its delay does', () => {
  const oneWayMs = delayMsAtR(80) - 60; // 20 ms of packetization and 40 ms of playout come on top
  const svg = figure7([measured('eu', 'na', { oneWayMs })]);
  const [herdY] = attribute(svg, 'circle', 'cy');
  const bounds = [...svg.matchAll(/<rect [^>]*y="([\d.]+)" [^>]*fill="#e6f2c8"/g)].map(([, y]) => Number(y));
  assert.equal(bounds.length, 1);
  assert.ok(Math.abs(herdY - bounds[0]) < 0.02, `${herdY} and ${bounds[0]}`);
});

test('the plot grows to hold a delay beyond the last band', () => {
  const svg = figure7([measured('eu', 'na', { oneWayMs: 700 })]);
  assert.ok(svg.includes('>not recommended<'));
  assert.ok(attribute(svg, 'circle', 'cy').every((y) => y > 40));
});

test('the plot needs nothing from elsewhere, and escapes names', () => {
  const svg = figure7([measured('<a&b>', 'na')]);
  assert.ok(svg.includes('&lt;A&amp;B>'));
  assert.doesNotMatch(svg.replace('http://www.w3.org/2000/svg', ''), /http|href|url\(|NaN|undefined/);
});
