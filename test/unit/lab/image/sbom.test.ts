/** `npm run sbom` lists what the images have of npm's packages. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'node:test';
import { productionPackages } from '../../../../lab/image/dependencies.ts';
import { sbom } from '../../../../lab/image/sbom.ts';

const root = path.join(import.meta.dirname, '../../../..');

interface Spdx {
  readonly spdxVersion: string;
  readonly documentDescribes: readonly string[];
  readonly packages: readonly {
    readonly SPDXID: string;
    readonly packageFileName: string;
    readonly licenseDeclared: string;
    readonly checksums?: readonly unknown[];
  }[];
}

test('npm run sbom has every package of the images, with licence and checksum, and no other', async () => {
  const document = JSON.parse(await sbom(root)) as Spdx;
  assert.equal(document.spdxVersion, 'SPDX-2.3');
  const listed = document.packages.filter(({ SPDXID }) => !document.documentDescribes.includes(SPDXID));
  const installed = productionPackages(await readFile(path.join(root, 'package-lock.json'), 'utf8'));
  assert.deepEqual(
    listed.map(({ packageFileName }) => packageFileName).sort(),
    installed.map((entry) => entry.path).sort(),
  );
  for (const entry of listed) {
    assert.ok(entry.checksums?.length, `${entry.packageFileName} has no checksum`);
    assert.ok(entry.licenseDeclared !== 'NOASSERTION', `${entry.packageFileName} has no licence`);
  }
});
