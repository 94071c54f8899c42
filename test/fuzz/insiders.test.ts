import assert from 'node:assert/strict';
import test from 'node:test';
import { INSIDERS } from './insiders.ts';
import { fuzz } from './target.ts';
import { FUZZ_MS } from './time.ts';

for (const target of INSIDERS) {
  test(`${target.name}: ${target.property}`, () => {
    assert(fuzz(target, FUZZ_MS / 2) > 0);
  });
}
