import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'node:test';
import { productionPackages } from '../../../../lab/image/dependencies.ts';

const lock = (packages: object, lockfileVersion = 3) => JSON.stringify({ lockfileVersion, packages });

test('packages for development are left out, nested ones of others kept', () => {
  const text = lock({
    '': { dependencies: {} },
    'node_modules/b': {},
    'node_modules/a/node_modules/b': {},
    'node_modules/a': {},
    'node_modules/typescript': { dev: true },
  });
  assert.deepEqual(
    productionPackages(text).map((entry) => entry.path),
    ['node_modules/a', 'node_modules/a/node_modules/b', 'node_modules/b'],
  );
});

test('what npm may leave out on some platforms is marked', () => {
  const text = lock({
    'node_modules/a': { optional: true },
    'node_modules/b': { devOptional: true },
    'node_modules/c': {},
  });
  assert.deepEqual(
    productionPackages(text).map((entry) => entry.optional),
    [true, true, false],
  );
});

test('a lock file of another version is refused', () => {
  assert.throws(() => productionPackages(lock({}, 1)), /lockfileVersion/);
});

test("this project's image gets its dependencies and neither Node's package nor the compiler", async () => {
  const text = await readFile(path.join(import.meta.dirname, '../../../../package-lock.json'), 'utf8');
  const paths = productionPackages(text).map((entry) => entry.path);
  assert.ok(paths.includes('node_modules/undici'));
  assert.ok(!paths.includes('node_modules/node') && !paths.includes('node_modules/typescript'));
});
