import assert from 'node:assert/strict';
import test from 'node:test';
import { parseDelays, readDelays, regionPairs } from '../../../../lab/wan/delays.ts';

const three = {
  source: 'a test',
  regions: ['eu', 'na', 'sa'],
  oneWayMs: { 'eu-na': 45, 'eu-sa': 100, 'na-sa': 60 },
  jitterMs: 1,
  lossRatio: 0,
};

test('the delays that the lab comes with cover every pair of its four regions', async () => {
  const delays = await readDelays();
  assert.deepEqual(delays.regions, ['eu', 'na', 'sa', 'au']);
  assert.equal(delays.oneWayMs['eu-au'], 140);
});

test('delays for three regions parse', () => {
  assert.deepEqual(parseDelays(JSON.stringify(three)).oneWayMs, three.oneWayMs);
});

test('every field that is wrong is named in one error', () => {
  const text = JSON.stringify({ ...three, regions: ['EU'], jitterMs: -1, lossRatio: 2 });
  assert.throws(
    () => parseDelays(text),
    /regions\.0: must be 1 to 8 lower-case letters[\s\S]*jitterMs[\s\S]*lossRatio/,
  );
});

test('pairs that are missing, unknown or in the wrong order are all named', () => {
  const text = JSON.stringify({ ...three, oneWayMs: { 'eu-na': 45, 'sa-eu': 100, 'na-mars': 9 } });
  assert.throws(
    () => parseDelays(text),
    /eu-sa: missing[\s\S]*na-sa: missing[\s\S]*sa-eu: not a pair[\s\S]*na-mars: not a pair/,
  );
});

test('a region that is listed twice is refused', () => {
  assert.throws(() => parseDelays(JSON.stringify({ ...three, regions: ['eu', 'na', 'eu'] })), /regions: eu twice/);
});

test('each pair of regions comes once', () => {
  assert.deepEqual(regionPairs(['a', 'b', 'c']), [
    ['a', 'b'],
    ['a', 'c'],
    ['b', 'c'],
  ]);
});
