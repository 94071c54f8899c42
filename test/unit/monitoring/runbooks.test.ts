import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { root } from '../../../monitoring/main.ts';
import { defaultOptions, isAlert, ruleGroups } from '../../../monitoring/rules.ts';
import { namesRead } from './promql.ts';

const folder = path.join(root, 'docs', 'runbooks');
const pages = readdirSync(folder).filter((name) => name !== 'README.md');
const alerts = ruleGroups().flatMap(({ rules }) => rules.filter(isAlert));

test('every alert’s runbook_url is a page, and every page is an alert’s', () => {
  const linked = alerts.map(({ annotations }) => annotations.runbook_url.slice(defaultOptions.runbooks.length));
  assert.deepEqual([...new Set(linked)].sort(), [...pages].sort());
});

for (const page of pages) {
  const text = readFileSync(path.join(folder, page), 'utf8');

  test(`${page} says what it means, who feels it, where to look and what to do`, () => {
    const headings = [...text.matchAll(/^#+ .*$/gm)].map(([heading]) => heading);
    assert.deepEqual(headings, [`# ${page.replace('.md', '')}`, '## Meaning', '## Impact', '## Look', '## Do']);
    assert.match(text, /^```sh\nkubectl /m);
    assert.match(text, /^1\. \S/m);
  });

  test(`${page} asks Prometheus for what there is, and links to pages that are there`, () => {
    const queries = [...text.matchAll(/^```promql\n([\s\S]*?)^```$/gm)].flatMap(([, block]) => block!.split('\n\n'));
    assert(queries.length > 0, page);
    for (const query of queries) namesRead(query.trim(), page);
    for (const [, target] of text.matchAll(/\]\(([^)]+)\)/g)) assert(pages.includes(target!), `${page} → ${target}`);
  });
}
