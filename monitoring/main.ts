/**
 * Everything of monitoring/ that is committed and made from code:
 *   npm run monitoring              writes it
 * A test compares what is there with what would be written.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { dump } from 'js-yaml';
import { dashboards } from './dashboards/index.ts';
import { dashboardJson } from './dashboards/panels.ts';
import { defaultOptions, ruleGroups } from './rules.ts';
import { metricsTable } from './tables.ts';

export const root = path.join(import.meta.dirname, '..');

/** By path from the repository's root. */
export function outputs(): ReadonlyMap<string, string> {
  const made = '# Made from monitoring/rules.ts by `npm run monitoring`.\n';
  const rules = ruleGroups().map((group) => {
    const text = dump({ groups: [group] }, { lineWidth: -1, noRefs: true, quoteStyle: 'double' });
    return [`monitoring/rules/${group.name}.yaml`, made + text] as const;
  });
  const drawn = dashboards.map((dashboard) => {
    const text = JSON.stringify(dashboardJson(dashboard, defaultOptions.runbooks), null, 2);
    return [`monitoring/dist/dashboards/${dashboard.uid}.json`, `${text}\n`] as const;
  });
  return new Map([['docs/metrics.md', metricsTable()], ...rules, ...drawn]);
}

if (import.meta.main) {
  for (const [file, text] of outputs()) {
    const target = path.join(root, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, text);
  }
  process.exit(0);
}
