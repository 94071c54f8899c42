import assert from 'node:assert/strict';
import test from 'node:test';
import { elapsed, Progress } from '../../../../lab/host/progress.ts';

function capture(isTTY: boolean) {
  let text = '';
  return {
    isTTY,
    columns: 60,
    write: (part: string) => {
      text += part;
    },
    text: () => text,
  };
}

test('durations read as seconds, then as minutes', () => {
  assert.deepEqual([0, 4230, 59_940, 60_000, 200_000].map(elapsed), [
    '0.0 s',
    '4.2 s',
    '59.9 s',
    '1 min 0 s',
    '3 min 20 s',
  ]);
});

test('a log gets a line at the start, one every 15 s with the detail, and one at the end', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let now = 0;
  const out = capture(false);
  const progress = new Progress(out, () => now);
  await progress.step('Building', async (step) => {
    step.detail('kubelet');
    now = 15_000;
    t.mock.timers.tick(15_000);
    now = 20_000;
  });
  assert.equal(out.text(), '  ...     Building\n  ...     Building: kubelet  15.0 s\n  done    Building  20.0 s\n');
});

test('a terminal gets a live line that fits its width', async () => {
  const out = capture(true);
  await new Progress(out, () => 0).step(`Building ${'x'.repeat(100)}`, async () => {});
  const live = out.text().split('\r\x1b[K')[1]!;
  assert.equal(live.length, 59);
});

test('a step that fails is marked and passes its error on', async () => {
  const out = capture(false);
  const failing = new Progress(out, () => 0).step('Building', async () => {
    throw new Error('no compiler');
  });
  await assert.rejects(failing, /no compiler/);
  assert.match(out.text(), /FAILED {2}Building/);
});
