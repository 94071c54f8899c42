/** What `npm run manifests` writes: it is committed as written, and says what the objects say. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { pinnedVersions } from '../../../lab/kubernetes/build.ts';
import { helmReleases } from '../../../lab/kubernetes/helm.ts';
import { generatedFiles, wholeFolders } from '../../../manifests/files.ts';
import { defaultImages, kubernetes, version } from '../../../manifests/release.ts';
import { Values } from '../../../manifests/values.ts';
import { customResourceDefinitions } from '../../../operator/api/schema.ts';
import { installObjects } from '../../../operator/install.ts';
import type { Manifest } from '../../../operator/kube/types.ts';
import { documents } from '../../yaml.ts';

const root = path.join(import.meta.dirname, '../../..');
const files = generatedFiles();

test('what is committed is what npm run manifests writes', () => {
  for (const [file, text] of files) {
    const committed = existsSync(path.join(root, file)) ? readFileSync(path.join(root, file), 'utf8') : '';
    assert.ok(committed === text, `${file} is old: npm run manifests`);
  }
});

test('nothing is left of what was written once', () => {
  const there = wholeFolders.flatMap((folder) => globSync(`${folder}/*`, { cwd: root })).sort();
  const written = [...files.keys()].filter((file) => wholeFolders.includes(path.dirname(file)));
  assert.deepEqual(there, written.sort());
});

test('the one file that installs all has the objects as they are', () => {
  const written = documents(files.get('manifests/dist/herd.yaml')!);
  const objects = installObjects({ ...defaultImages, namespaces: [] });
  assert.deepEqual(written, JSON.parse(JSON.stringify(objects)));
});

test('values.yaml has every value of the schema at its default', () => {
  assert.deepEqual(documents(files.get('charts/herd/values.yaml')!), [Values.parse({})]);
});

test('definitions are templates that Helm keeps, never in a folder crds', () => {
  assert.deepEqual(globSync('charts/**/crds/**', { cwd: root }), []);
  const definitions = documents<Manifest>(files.get('charts/herd-crds/templates/crds.yaml')!);
  assert.equal(definitions.length, customResourceDefinitions().length);
  for (const { metadata } of definitions) assert.equal(metadata.annotations?.['helm.sh/resource-policy'], 'keep');
});

test('the support table has the newest Kubernetes and the Helms that tests run', async () => {
  const pinned = (await pinnedVersions()).kubernetes;
  assert.ok(pinned.startsWith(`v${kubernetes.newest}.`), pinned);
  const helms = helmReleases.map((release) => release.version.slice(1)).join(', ');
  const row = `| ${version} | ${kubernetes.oldest} | ${kubernetes.newest} | ${helms} |`;
  const readme = readFileSync(path.join(root, 'charts/herd/README.md'), 'utf8').replace(/ +/g, ' ');
  assert.ok(readme.includes(row), `charts/herd/README.md has no row ${row}`);
});
