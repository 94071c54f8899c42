/**
 * The recordings that callees play. Each zone says something else, so that a call that reaches the wrong callee is
 * heard to do so.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const TEXTS = [
  'Good morning. You have reached the harbour office. The ferry to the islands leaves at seven, the slow boat at half past nine. Please bring warm clothes and your ticket.',
  'Hello, this is the town library. We open at ten, except on Mondays. The book you asked for has come back, and we keep it behind the desk until Friday.',
  'Thank you for calling the weather station. Tonight a light wind from the west, some rain before midnight, then clear skies. Tomorrow will be dry and a good deal warmer.',
  'You are through to the bicycle workshop. Your wheel is straight again and the brakes are new. Come by whenever you like; if the door is locked, ring twice.',
];

/** Raised when what a recording is made of changes other than in its text. */
const RECIPE_VERSION = 1;
const VOICE = ['-v', 'en', '-s', '165'];

/**
 * A recording of about 10 s for each zone, as 8 kHz mono PCM16 WAV.
 * Made by espeak-ng and sox, both deterministic; kept in the cache under a name derived from the text.
 * @throws {Error} if there are more zones than texts, or a tool is missing.
 */
export async function voicemails(zones: readonly string[]): Promise<Map<string, Buffer>> {
  if (zones.length > TEXTS.length) {
    throw new RangeError(`there are recordings for ${TEXTS.length} zones, not for ${zones.length}`);
  }
  const recordings = await Promise.all(zones.map((_, i) => speak(TEXTS[i])));
  return new Map(zones.map((zone, i) => [zone, recordings[i]]));
}

/** The text as speech, from the cache if it was spoken before. */
export async function speak(text: string): Promise<Buffer> {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'herd', `speech-${RECIPE_VERSION}`);
  const file = join(cache, `${createHash('sha256').update(text).digest('hex').slice(0, 24)}.wav`);
  await mkdir(cache, { recursive: true });
  return readFile(file).catch(() => record(text, cache, file));
}

/** Speaks into a directory of its own and moves the result into place whole, so that two runs may do so at once. */
async function record(text: string, cache: string, file: string): Promise<Buffer> {
  const scratch = await mkdtemp(join(cache, 'new-'));
  try {
    const spoken = join(scratch, 'spoken.wav');
    const resampled = join(scratch, 'resampled.wav');
    await run('espeak-ng', [...VOICE, '-w', spoken, text]);
    // -D: no dither, which is random. The norm leaves 3 dB so that no filter or codec on the way clips.
    await run('sox', ['-D', spoken, '-r', '8000', '-c', '1', '-b', '16', resampled, 'norm', '-3']);
    await rename(resampled, file);
  } finally {
    await rm(scratch, { recursive: true });
  }
  return readFile(file);
}

async function run(tool: string, args: readonly string[]): Promise<void> {
  await promisify(execFile)(tool, args).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new Error(`${tool} is not installed; it makes the recordings (Debian: apt-get install ${tool})`);
  });
}
