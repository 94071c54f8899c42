import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import test from 'node:test';
import fc from 'fast-check';
import { type TarEntry, tar } from '../../../../lab/image/tar.ts';

const text = (content: string) => Buffer.from(content);
const bytes = (entries: TarEntry[]) => Buffer.concat(tar(entries));
const runTar = (archive: Buffer, ...args: string[]) => execFileSync('tar', args, { input: archive, encoding: 'utf8' });

test('tar lists the entries by path, owned by root, dated 1970', () => {
  const archive = bytes([
    { path: 'app/main.ts', mode: 0o644, content: text('hello') },
    { path: 'app/', mode: 0o755 },
  ]);
  const listed = runTar(archive, '--utc', '--numeric-owner', '-tvf', '-');
  assert.match(
    listed,
    /^drwxr-xr-x 0\/0 +0 1970-01-01 00:00 app\/\n-rw-r--r-- 0\/0 +5 1970-01-01 00:00 app\/main\.ts\n$/,
  );
});

test('the order in which entries are given does not matter', () => {
  const entry = fc.record({
    path: fc.stringMatching(/^[a-z]{1,20}$/),
    mode: fc.constantFrom(0o644, 0o755),
    content: fc.uint8Array({ maxLength: 1200 }),
  });
  fc.assert(
    fc.property(fc.uniqueArray(entry, { selector: (e) => e.path }), (entries) => {
      assert.deepEqual(bytes(entries), bytes(entries.toReversed()));
    }),
  );
});

test('content of any length comes out of tar as it went in', () => {
  for (const length of [0, 1, 511, 512, 513]) {
    const content = text('x'.repeat(length));
    assert.equal(runTar(bytes([{ path: 'file', mode: 0o644, content }]), '-xOf', '-', 'file'), content.toString());
  }
});

test('a path of more than 100 bytes is kept', () => {
  const path = `${'d'.repeat(90)}/${'e'.repeat(60)}/${'f'.repeat(90)}`;
  assert.equal(runTar(bytes([{ path, mode: 0o644, content: text('') }]), '-tf', '-'), `${path}\n`);
});

test('a path that the format cannot hold is refused by name', () => {
  assert.throws(() => tar([{ path: 'x'.repeat(101), mode: 0o644 }]), /too long for an image layer: xxx/);
});
