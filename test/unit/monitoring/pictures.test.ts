import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { dashboards } from '../../../monitoring/dashboards/index.ts';
import { root } from '../../../monitoring/main.ts';

const BYTES_MAX = 300 * 1024;

test('every dashboard has a picture that is not too large, and the page shows it', () => {
  const page = readFileSync(path.join(root, 'docs/dashboards.md'), 'utf8');
  for (const { uid, title } of dashboards) {
    const picture = `dashboards/${uid}.png`;
    assert(page.includes(`![${title}](${picture})`), picture);
    const { size } = statSync(path.join(root, 'docs', picture));
    assert(size > 0 && size <= BYTES_MAX, `${picture} has ${size} bytes`);
  }
});
