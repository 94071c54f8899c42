import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { outputs, root } from '../../../monitoring/main.ts';

for (const [file, text] of outputs()) {
  test(`${file} is what the code would write (npm run monitoring)`, () => {
    assert.equal(readFileSync(path.join(root, file), 'utf8'), text);
  });
}

test('nothing lies beside what the code writes', () => {
  for (const folder of ['monitoring/rules', 'monitoring/dist/dashboards']) {
    const files = readdirSync(path.join(root, folder)).map((name) => `${folder}/${name}`);
    assert.deepEqual(
      files.filter((file) => !outputs().has(file)),
      [],
    );
  }
});
