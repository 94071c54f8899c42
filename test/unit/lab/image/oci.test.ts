import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'node:test';
import { image, layer, writeArchive } from '../../../../lab/image/oci.ts';

const base = () => layer([{ path: 'bin/node', mode: 0o755, content: Buffer.from('node') }]);
const app = (content: string) => layer([{ path: 'app/main.ts', mode: 0o644, content: Buffer.from(content) }]);
const config = { Entrypoint: ['/bin/node'] };

test('the same content gives the same digest', () => {
  assert.equal(image([base(), app('a')], config).digest, image([base(), app('a')], config).digest);
});

test('one byte more gives another digest', () => {
  assert.notEqual(image([base(), app('a')], config).digest, image([base(), app('ab')], config).digest);
});

test('an archive holds each image under its reference, and shared layers once', async (t) => {
  const directory = await mkdtemp(path.join(tmpdir(), 'herd-oci-test-'));
  t.after(() => rm(directory, { recursive: true }));
  const file = path.join(directory, 'images.tar');
  const images = {
    'herd.local/a:1': image([base(), app('a')], config),
    'herd.local/b:2': image([base(), app('b')], config),
  };
  await writeArchive(file, images);
  execFileSync('tar', ['-xf', file, '-C', directory]);

  const index = JSON.parse(await readFile(path.join(directory, 'index.json'), 'utf8'));
  const found = index.manifests.map((m: { digest: string; annotations: Record<string, string> }) => [
    m.annotations['io.containerd.image.name'],
    m.digest,
  ]);
  assert.deepEqual(
    found,
    Object.entries(images).map(([reference, { digest }]) => [reference, digest]),
  );

  const names = execFileSync('tar', ['-tf', file], { encoding: 'utf8' }).match(/blobs\/sha256\/\w+/g)!;
  assert.equal(names.length, 7); // two manifests, two configurations, three layers
  for (const name of names) {
    const digest = createHash('sha256')
      .update(await readFile(path.join(directory, name)))
      .digest('hex');
    assert.equal(path.basename(name), digest);
  }
});
