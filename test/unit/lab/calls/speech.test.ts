import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { compareRecordings } from '../../../../evaluation/quality/compare.ts';
import { speak, voicemails } from '../../../../lab/calls/speech.ts';
import { readWav, SAMPLE_RATE_HZ } from '../../../../nodes/client/wav.ts';

const missing = ['espeak-ng', 'sox'].filter((tool) => spawnSync(tool, ['--version']).error !== undefined);
const skip = missing.length === 0 ? false : `not installed: ${missing.join(', ')}`;

/** Runs the test with an empty cache. */
async function withCache(body: (cache: string) => Promise<void>): Promise<void> {
  const before = process.env.XDG_CACHE_HOME;
  const cache = await mkdtemp(join(tmpdir(), 'herd-speech-'));
  process.env.XDG_CACHE_HOME = cache;
  try {
    await body(join(cache, 'herd', 'speech-1'));
  } finally {
    if (before === undefined) delete process.env.XDG_CACHE_HOME;
    else process.env.XDG_CACHE_HOME = before;
    await rm(cache, { recursive: true });
  }
}

test('every zone gets about ten seconds of loud speech that is like no other zone’s', { skip }, () =>
  withCache(async () => {
    const recordings = [...(await voicemails(['eu', 'na', 'sa', 'au'])).values()].map((wav) => readWav(wav));
    for (const samples of recordings) {
      const seconds = samples.length / SAMPLE_RATE_HZ;
      assert.ok(seconds > 8 && seconds < 12, `${seconds} s`);
      const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      assert.ok(peak > 20000 && peak < 24000, `peak ${peak}`);
      const others = recordings.filter((other) => other !== samples);
      for (const other of others) assert.ok(compareRecordings(samples, other).segmentalSnrDb < 0.5);
    }
  }),
);

test('the same text is the same recording, and is spoken once', { skip }, () =>
  withCache(async (cache) => {
    const [one, two] = await Promise.all([speak('Good evening.'), speak('Good evening.')]);
    assert.ok(one.equals(two));
    assert.equal((await readdir(cache)).length, 1);
    const path = process.env.PATH;
    process.env.PATH = '';
    try {
      assert.ok((await speak('Good evening.')).equals(one));
    } finally {
      process.env.PATH = path;
    }
  }),
);

test('says which tool is missing and how to get it, and leaves nothing behind', () =>
  withCache(async (cache) => {
    const path = process.env.PATH;
    process.env.PATH = '';
    try {
      await assert.rejects(speak('Good night.'), /espeak-ng is not installed; .*apt-get install espeak-ng/);
    } finally {
      process.env.PATH = path;
    }
    assert.deepEqual(await readdir(cache), []);
  }));

test('refuses more zones than there are recordings', async () => {
  await assert.rejects(voicemails(['a', 'b', 'c', 'd', 'e']), /for 4 zones, not for 5/);
});
