import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildNative, NATIVE_FOLDER } from '../unit/nodes/support/native.ts';
import { FUZZ_MS } from './time.ts';

/**
 * The native part under AddressSanitizer and UndefinedBehaviorSanitizer: Node itself is not built with them, so theirs has
 * to be in the process before it.
 */
const SEED = process.env.HERD_FUZZ_SEED ?? `fuzz-${randomInt(2 ** 32)}`;
const PROGRAM = fileURLToPath(new URL('./native-arguments.ts', import.meta.url));
const SANITIZER = execFileSync('g++', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
/** The compiler names a library that it does not have by its bare name. */
const skip = path.isAbsolute(SANITIZER) ? false : 'g++ has no libasan.so here';

test(`the native part refuses or serves any arguments, within its memory (HERD_FUZZ_SEED=${SEED})`, { skip }, () => {
  const file = buildNative(NATIVE_FOLDER, '--sanitize');
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, file, SEED, String(FUZZ_MS)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: FUZZ_MS + 60_000,
    // V8 frees nothing at its end, so leaks are not looked for: test/unit/nodes/native/memory.test.ts does that.
    env: { ...process.env, LD_PRELOAD: SANITIZER, ASAN_OPTIONS: 'detect_leaks=0', UBSAN_OPTIONS: 'print_stacktrace=1' },
  });
  assert.equal(status, 0, `${signal ?? ''} ${stderr.slice(0, 20_000)}`);
  const happened: Record<string, number> = JSON.parse(stdout);
  // That a run did what it is for: without these it could pass by being refused everything.
  for (const what of ['sealed', 'opened', 'did not open', 'send', 'receive', 'received something'])
    assert(happened[what]! > 0, `${what}: ${stdout}`);
});
