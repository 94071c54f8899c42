import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { exec } from '../../lab/host/exec.ts';
import { openRun, type Run } from '../../lab/host/run.ts';
import type { Delays } from '../../lab/wan/delays.ts';
import { createNetwork, type Network } from '../../lab/wan/network.ts';
import { buildNative, NATIVE_FOLDER } from '../unit/nodes/support/native.ts';
import type { Arrival } from './wan-end.ts';

/** The lab's wide-area network: what passes between two regions takes as long as the delays say. */
const TICKS = 150;
const ROW = 10;
const PORT = 7000;
const STARTED_MS = 1_000;
/** Of the median: what the millisecond's tick, the receiver's and a machine with other work add, and that order is kept. */
const OFF_MS_MAX = 2.5;

const delays = (lossRatio: number): Delays => ({
  regions: ['eu', 'na', 'sa'],
  oneWayMs: { 'eu-na': 45, 'eu-sa': 100, 'na-sa': 0 },
  jitterMs: 1,
  lossRatio,
});

const skip = process.getuid?.() !== 0 && 'needs root for network namespaces';

for (const lossRatio of [0, 0.2]) {
  describe(`regions that lose ${100 * lossRatio} %`, { skip }, () => {
    let run: Run;
    let network: Network;
    let native: string;
    before(async () => {
      native = buildNative(NATIVE_FOLDER);
      run = await openRun();
      network = await run.during(() => createNetwork(run, delays(lossRatio)));
    });
    after(() => run.close());

    /** Sends rows from one region to the other. */
    async function send(from: string, to: string): Promise<Arrival[]> {
      const end = (name: string, ...args: (string | number)[]) => {
        const { netns } = network.regions.find((region) => region.name === name)!;
        const script = path.join(import.meta.dirname, 'wan-end.ts');
        const command = [process.execPath, script, native, ...args.map(String)];
        return exec('ip', ['netns', 'exec', netns, ...command], { env: { HERD_RUN: run.name } });
      };
      const received = end(to, 'receive', PORT, TICKS * ROW);
      await sleep(STARTED_MS);
      const { node } = network.regions.find(({ name }) => name === to)!;
      await end(from, 'send', PORT, `${node}:${PORT}`, TICKS, ROW);
      run.check();
      return JSON.parse(await received) as Arrival[];
    }

    const cases: [string, string, number][] = [
      ['eu', 'na', 45],
      ['sa', 'eu', 100],
      ['na', 'sa', 0],
    ];
    for (const [from, to, expectedMs] of lossRatio === 0 ? cases : cases.slice(0, 1)) {
      test(`${from} to ${to} takes ${expectedMs} ms, give or take, and keeps the order`, async (context) => {
        const arrivals = await send(from, to);
        const numbers = arrivals.map(({ number }) => number);
        assert.deepEqual(
          numbers,
          numbers.toSorted((a, b) => a - b),
        );
        const lost = 1 - arrivals.length / (TICKS * ROW);
        // Five standard deviations of 1500 draws.
        assert(
          Math.abs(lost - lossRatio) <= 5 * Math.sqrt((lossRatio * (1 - lossRatio)) / (TICKS * ROW)),
          `lost ${lost}`,
        );
        const sorted = arrivals.map(({ delayMs }) => delayMs).toSorted((a, b) => a - b);
        const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))]!;
        context.diagnostic(
          `${[0, 0.05, 0.5, 0.95, 1].map((share) => at(share).toFixed(2)).join(' ')} ms (0, 5, 50, 95, 100 %)`,
        );
        assert(Math.abs(at(0.5) - expectedMs) < OFF_MS_MAX, `the median is ${at(0.5)} ms`);
        // Five standard deviations of the jitter.
        assert(at(0) > expectedMs - 5 - OFF_MS_MAX, `the first after ${at(0)} ms`);
      });
    }

    if (lossRatio === 0) {
      test('a row that the interface does not take as one goes one by one', async () => {
        const { netns } = network.regions.find(({ name }) => name === 'eu')!;
        // Shorter than a datagram: each alone is cut into fragments, a row is refused.
        await exec('ip', ['-n', netns, 'link', 'set', 'wan', 'mtu', '280']);
        const arrivals = await send('eu', 'na');
        assert.deepEqual(
          arrivals.map(({ number }) => number),
          Array.from({ length: TICKS * ROW }, (_, number) => number),
        );
      });
    } else {
      test('losses strike datagrams one by one, also those that were sent as one', async () => {
        const arrivals = await send('eu', 'na');
        const perRow = Array<number>(TICKS).fill(0);
        for (const { number } of arrivals) perRow[Math.floor(number / ROW)]! += 1;
        const whole = perRow.filter((count) => count === 0 || count === ROW).length;
        // 0.8^10 of all rows are whole: a ninth.
        assert(whole < TICKS / 3, `${whole} of ${TICKS} rows are whole or gone`);
      });
    }
  });
}
