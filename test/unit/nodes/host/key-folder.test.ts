import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test, { after } from 'node:test';
import { KEY_KINDS, type KeySeeds } from '../../../../nodes/crypto/keys.ts';
import { KeyFolder } from '../../../../nodes/host/key-folder.ts';

const created: string[] = [];
after(() => {
  for (const folder of created) rmSync(folder, { recursive: true });
});

function folderWith(files: Record<string, string>): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'herd-keys-'));
  created.push(folder);
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(folder, name), text);
  return folder;
}

const seed = (fill: number) => Buffer.alloc(32, fill).toString('base64');
/** The numbers of what was read, and the first byte of each seed. */
const told = (seeds: KeySeeds | undefined) =>
  seeds && [seeds.link, seeds.circuit].map((keys) => keys.map((key) => [key.number, key.seed[0]]));

test('reads all keys once, and again when there are others', () => {
  const folder = folderWith({ identity: seed(9), 'link-1': seed(1), 'circuit-1': `${seed(2)}\n` });
  const keys = new KeyFolder(folder, KEY_KINDS);
  assert.deepEqual(told(keys.read()), [[[1, 1]], [[1, 2]]]);
  assert.equal(keys.read(), undefined);
  writeFileSync(path.join(folder, 'link-2'), seed(3));
  assert.deepEqual(told(keys.read()), [
    [
      [1, 1],
      [2, 3],
    ],
    [[1, 2]],
  ]);
  unlinkSync(path.join(folder, 'link-1'));
  assert.deepEqual(told(keys.read()), [[[2, 3]], [[1, 2]]]);
  assert.equal(keys.read(), undefined);
});

test('without any such file there is nothing to read, also when there have been some', () => {
  const folder = folderWith({ identity: seed(9) });
  assert.equal(new KeyFolder(folder, KEY_KINDS).read(), undefined);
  for (const name of ['link-1', 'circuit-1']) writeFileSync(path.join(folder, name), seed(1));
  const keys = new KeyFolder(folder, KEY_KINDS);
  keys.read();
  for (const name of ['link-1', 'circuit-1']) unlinkSync(path.join(folder, name));
  assert.equal(keys.read(), undefined);
});

test('refuses a file that holds no key and a kind without one, and takes them when they are right', () => {
  const folder = folderWith({ 'link-1': seed(1), 'circuit-1': 'c2hvcnQ=' });
  const keys = new KeyFolder(folder, KEY_KINDS);
  assert.throws(() => keys.read(), /circuit-1 must hold 32 bytes in base64$/);
  unlinkSync(path.join(folder, 'circuit-1'));
  assert.throws(() => keys.read(), /has no circuit-N$/);
  writeFileSync(path.join(folder, 'circuit-1'), seed(2));
  assert.deepEqual(told(keys.read()), [[[1, 1]], [[1, 2]]]);
});

test('follows a volume of Kubernetes, which swaps a folder and then its names', () => {
  const folder = folderWith({});
  const fill = (name: string, files: Record<string, string>) => {
    mkdirSync(path.join(folder, name));
    for (const [file, text] of Object.entries(files)) writeFileSync(path.join(folder, name, file), text);
    symlinkSync(name, path.join(folder, '..data_tmp'));
    renameSync(path.join(folder, '..data_tmp'), path.join(folder, '..data'));
  };
  fill('..one', { 'link-1': seed(1), 'circuit-1': seed(2) });
  for (const name of ['link-1', 'circuit-1']) symlinkSync(`..data/${name}`, path.join(folder, name));
  const keys = new KeyFolder(folder, KEY_KINDS);
  assert.deepEqual(told(keys.read()), [[[1, 1]], [[1, 2]]]);
  fill('..two', { 'link-2': seed(3), 'circuit-1': seed(2) });
  assert.equal(keys.read(), undefined, 'the old name leads nowhere, but stands for a key that was read');
  symlinkSync('..data/link-2', path.join(folder, 'link-2'));
  assert.throws(() => keys.read(), /ENOENT/, 'for a moment there is a name without a file');
  unlinkSync(path.join(folder, 'link-1'));
  assert.deepEqual(told(keys.read()), [[[2, 3]], [[1, 2]]]);
});
