import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadNative } from '../../../../nodes/native/load.ts';
import { buildNative, NATIVE_FOLDER } from '../support/native.ts';

/** A copy of the repository in which the native part can be missing or wrong. */
const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const COPY = mkdtempSync(path.join(tmpdir(), 'herd-native-'));
const COPIED_FILE = path.join(COPY, 'nodes', 'native', 'native.node');
after(() => rmSync(COPY, { recursive: true }));

const WHOLE = readFileSync(buildNative(NATIVE_FOLDER));
for (const folder of ['core', 'crypto', 'host', 'native', 'config', 'wire'])
  cpSync(path.join(ROOT, 'nodes', folder), path.join(COPY, 'nodes', folder), { recursive: true });
cpSync(path.join(ROOT, 'package.json'), path.join(COPY, 'package.json'));
symlinkSync(path.join(ROOT, 'node_modules'), path.join(COPY, 'node_modules'));
writeFileSync(COPIED_FILE, WHOLE);

function withDigest(program: Buffer | string): Buffer {
  const bytes = Buffer.from(program);
  return Buffer.concat([bytes, Buffer.from(createHash('sha256').update(bytes).digest('hex'))]);
}

/** Builds the sources with one word changed. */
function builtWith(source: string, word: string, other: string): string {
  const folder = mkdtempSync(path.join(COPY, 'nodes', 'changed-'));
  cpSync(NATIVE_FOLDER, folder, { recursive: true });
  const text = readFileSync(path.join(folder, source), 'utf8');
  assert(text.includes(word), `${source} has ${word}`);
  writeFileSync(path.join(folder, source), text.replaceAll(word, other));
  return buildNative(folder);
}

test('a file that is not whole is refused, wherever it ends', () => {
  const file = path.join(COPY, 'part.node');
  for (const length of [0, 1, 63, 64, 65, 4096, WHOLE.length >> 1, WHOLE.length - 64, WHOLE.length - 1]) {
    writeFileSync(file, WHOLE.subarray(0, length));
    assert.throws(() => loadNative(file), /part\.node is damaged/, `${length} of ${WHOLE.length} bytes`);
  }
});

test('a file with one wrong bit is refused', () => {
  const file = path.join(COPY, 'bit.node');
  for (const at of [0, 1000, WHOLE.length - 65, WHOLE.length - 1]) {
    const bytes = Buffer.from(WHOLE);
    bytes[at]! ^= 1;
    writeFileSync(file, bytes);
    assert.throws(() => loadNative(file), /bit\.node is damaged/, `byte ${at}`);
  }
});

test('a file for another machine, or none of a program, is an error with a reason', () => {
  const file = path.join(COPY, 'other.node');
  const program = Buffer.from(WHOLE.subarray(0, -64));
  program.writeUInt16LE(0xfff0, 18); // e_machine
  writeFileSync(file, withDigest(program));
  assert.throws(() => loadNative(file), /other\.node: /);
  writeFileSync(file, withDigest('a text'));
  assert.throws(() => loadNative(file), /other\.node: /);
  assert.throws(() => loadNative(path.join(COPY, 'none.node')), { code: 'ENOENT' });
});

test('a Node without a function that is needed refuses the file when it loads it, not when it calls it', () => {
  const file = builtWith('aead.cc', 'EVP_CipherUpdate', 'EVP_CipherUpdateOfOldOpenSsl');
  assert.throws(() => loadNative(file), /undefined symbol: EVP_CipherUpdateOfOldOpenSsl/);
});

test('a file that was built from sources with another interface is refused', () => {
  const file = builtWith('addon.cc', 'kInterface = 1', 'kInterface = 2');
  assert.throws(() => loadNative(file), /built from other sources \(2, not 1\)/);
});

/** Starts Node in the copy: opens a port and seals, as a daemon would. Returns the lines of its log and what it made. */
function start(): { events: { level: string; event: string; reason: string }[]; aead: string; sealed: string } {
  const program = `
    import { Aead } from './nodes/crypto/aead.ts';
    import { DropCounters } from './nodes/core/drop.ts';
    import { openDatagrams } from './nodes/host/udp.ts';
    const io = await openDatagrams(0, new DropCounters());
    io.close();
    const bytes = Buffer.alloc(48);
    const cipher = new Aead(Buffer.alloc(32, 1));
    cipher.seal(bytes, 0, 32, 0);
    console.log(JSON.stringify({ aead: Aead.name, sealed: bytes.toString('hex') }));
  `;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: COPY,
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  const lines = stdout.trim().split('\n');
  return { ...JSON.parse(lines.at(-1)!), events: lines.slice(0, -1).map((line) => JSON.parse(line)) };
}

test('a node uses the native part; without it, or with a damaged one, it says why once and does the same', () => {
  const native = start();
  assert.deepEqual([native.aead, native.events], ['Aead', []]);
  const reasons = [
    { make: () => rmSync(COPIED_FILE), reason: /no such file/ },
    { make: () => writeFileSync(COPIED_FILE, WHOLE.subarray(0, 9000)), reason: /is damaged/ },
    { make: () => writeFileSync(COPIED_FILE, withDigest('a text')), reason: /native\.node: / },
  ];
  for (const { make, reason } of reasons) {
    make();
    const twin = start();
    assert.deepEqual([twin.aead, twin.sealed], ['NodeAead', native.sealed]);
    assert.equal(twin.events.length, 1);
    assert.equal(twin.events[0]!.level, 'warn');
    assert.match(twin.events[0]!.reason, reason);
  }
});
