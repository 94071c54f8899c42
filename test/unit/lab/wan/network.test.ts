import assert from 'node:assert/strict';
import test from 'node:test';
import { emulatorPaths } from '../../../../lab/wan/network.ts';

test('each pair of regions gives the emulator a path in each direction', () => {
  const regions = [
    { name: 'eu', subnet: '10.71.0.0/16' },
    { name: 'na', subnet: '10.72.0.0/16' },
  ];
  const delays = { regions: ['eu', 'na'], oneWayMs: { 'eu-na': 45 }, jitterMs: 1, lossRatio: 0.01 };
  assert.deepEqual(emulatorPaths(regions, delays), [
    '10.71.0.0/16 10.72.0.0/16 45 1 0.01',
    '10.72.0.0/16 10.71.0.0/16 45 1 0.01',
  ]);
});
