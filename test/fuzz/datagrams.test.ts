import assert from 'node:assert/strict';
import test from 'node:test';
import { datagrams, links } from './datagrams.ts';
import { fuzz } from './target.ts';
import { FUZZ_MS } from './time.ts';

for (const target of [datagrams, links]) {
  test(`${target.name}: ${target.property}`, () => {
    assert(fuzz(target, FUZZ_MS) > 0);
  });
}
