import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { dashboards } from '../../../monitoring/dashboards/index.ts';
import { dashboardJson } from '../../../monitoring/dashboards/panels.ts';
import { metricLines } from '../../../monitoring/exporters.ts';
import { root } from '../../../monitoring/main.ts';
import { ruleGroups } from '../../../monitoring/rules.ts';
import { namesRead, seriesOf } from './promql.ts';
import { promtool, withFiles, withoutPromtool } from './promtool.ts';

const RUNBOOKS = 'https://runbooks/';

/** Of what Grafana imports, what we look at. */
interface Json {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly { readonly name: string; readonly type: string }[] };
  readonly panels: readonly PanelJson[];
}

interface PanelJson {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: {
    readonly defaults: { readonly unit: string; readonly thresholds: { readonly steps: object[] } };
  };
  readonly targets?: readonly {
    readonly expr: string;
    readonly legendFormat: string;
    readonly refId: string;
    readonly datasource: { readonly uid: string };
  }[];
  readonly links?: readonly { readonly url: string }[];
}

const drawn = dashboards.map((one) => JSON.parse(JSON.stringify(dashboardJson(one, RUNBOOKS))) as Json);
const panelsOf = ({ panels }: Json) => panels.filter(({ type }) => type !== 'row');

/** As Grafana sends it, with something chosen. */
const asSent = (expr: string) =>
  expr
    .replaceAll('$__rate_interval', '5m')
    .replace(/"\$\w+"/g, '".*"')
    .replace(/\$\w+/g, '1');

const queries = drawn.flatMap((json) =>
  panelsOf(json).flatMap(({ title, targets = [] }) =>
    targets.map(({ expr }) => ({ where: `${json.title}: ${title}`, expr: asSent(expr) })),
  ),
);
const rules = ruleGroups().flatMap((group) => group.rules);

test('the addresses of dashboards stay', () => {
  assert.deepEqual(
    drawn.map(({ uid }) => uid),
    ['herd-fleet', 'herd-zone', 'herd-node', 'herd-superpeers', 'herd-operator', 'herd-keys', 'herd-capacity'],
  );
});

test('whatever a query of a dashboard or rule reads is exported or recorded, with the labels by which it chooses', () => {
  for (const { where, expr } of queries) assert(namesRead(expr, where).length > 0, where);
  for (const { expr } of rules) namesRead(expr, 'rules');
  assert.throws(() => namesRead('rate(herd_node_calls_total[5m])', 'here'), /nothing is called/);
  assert.throws(() => namesRead('herd_node_epoch{client="a"}', 'here'), /no label client/);
  assert.throws(() => namesRead('sum(rate(herd_node_epoch[5m])', 'here'), /not PromQL/);
});

test('every metric is on a dashboard or in a rule', () => {
  const read = new Set<string>();
  for (const expr of [...queries.map((query) => query.expr), ...rules.map((rule) => rule.expr)])
    for (const name of namesRead(expr, expr)) read.add(seriesOf.get(name) ?? name);
  assert.deepEqual(
    metricLines().flatMap(({ name }) => (read.has(name) ? [] : [name])),
    [],
  );
});

test('what is recorded somebody reads', () => {
  const exprs = [...queries.map((query) => query.expr), ...rules.map((rule) => rule.expr)];
  const read = new Set(exprs.flatMap((expr) => namesRead(expr, expr)));
  assert.deepEqual(
    rules.flatMap((rule) => ('record' in rule && !read.has(rule.record) ? [rule.record] : [])),
    [],
  );
});

test('Prometheus takes every query', { skip: withoutPromtool }, () => {
  const group = { name: 'queries', rules: queries.map(({ expr }, index) => ({ record: `query:${index}`, expr })) };
  withFiles({ 'queries.yaml': JSON.stringify({ groups: [group] }) }, (folder) =>
    promtool(['check', 'rules', path.join(folder, 'queries.yaml')]),
  );
});

for (const json of drawn) {
  const panels = panelsOf(json);
  const variables = json.templating.list.map(({ name }) => name);

  test(`${json.title}: every panel says what it shows, in which unit, and from what source`, () => {
    assert.equal(json.schemaVersion, 42);
    assert.equal(json.templating.list[0]!.type, 'datasource');
    for (const panel of panels) {
      const where = `${json.title}: ${panel.title}`;
      assert(panel.title.length > 0 && panel.description!.length > 0, where);
      assert.match(panel.type, /^(stat|timeseries)$/);
      assert(
        panel.fieldConfig!.defaults.unit.length > 0 && panel.fieldConfig!.defaults.thresholds.steps.length > 0,
        where,
      );
      assert(panel.targets!.length > 0, where);
      for (const { datasource, legendFormat } of panel.targets!) {
        assert.equal(datasource.uid, '$' + '{datasource}', where);
        assert(legendFormat.length > 0, where);
      }
      assert.equal(panel.datasource!.uid, '$' + '{datasource}', where);
      assert.equal(new Set(panel.targets!.map(({ refId }) => refId)).size, panel.targets!.length, where);
      for (const { url } of panel.links ?? []) {
        assert(url.startsWith(RUNBOOKS), where);
        const page = path.join(root, 'docs', 'runbooks', url.slice(RUNBOOKS.length));
        assert(existsSync(page), `${where} → ${page}`);
      }
    }
    assert.equal(new Set(json.panels.map(({ id }) => id)).size, json.panels.length);
    assert.equal(new Set(panels.map(({ title }) => title)).size, panels.length);
  });

  test(`${json.title}: what can be chosen narrows a query, and nothing else is asked for`, () => {
    const used = new Set(
      panels
        .flatMap(({ targets = [] }) => targets)
        .flatMap(({ expr }) => [...expr.matchAll(/\$(\w+)/g)].map(([, name]) => name!))
        .filter((name) => !name.startsWith('__')),
    );
    assert.deepEqual([...used].sort(), variables.filter((name) => name !== 'datasource').sort());
  });

  test(`${json.title}: panels lie side by side`, () => {
    const cells = new Set<string>();
    for (const { title, gridPos } of json.panels) {
      assert(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          assert(!cells.has(`${x},${y}`), `${title} lies on another panel`);
          cells.add(`${x},${y}`);
        }
    }
  });
}
