import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { alertStories } from '../../../../lab/observe/alerts.ts';
import { answered, answers } from '../../../../lab/observe/panels.ts';
import {
  type Prometheus,
  paced,
  pendingSeconds,
  prometheusConfig,
  type Series,
  type Span,
} from '../../../../lab/observe/prometheus.ts';
import { isAlert, ruleGroups } from '../../../../monitoring/rules.ts';
import { promtool, withFiles, withoutPromtool } from '../../monitoring/promtool.ts';

const span: Span = { start: 1000, end: 1120, step: 12 };
/** A Prometheus that answers every query by the function. */
const answering = (range: (query: string) => Series[]) =>
  ({ range: async (query: string) => range(query) }) as unknown as Prometheus;
const at = (...times: number[]) => times.map((time) => [time, '1'] as const);

test('Prometheus takes the configuration and the rules at another pace', { skip: withoutPromtool }, () => {
  const rules = JSON.stringify({ groups: paced(ruleGroups(), 5) });
  withFiles({ 'rules.json': rules, 'pods.json': '[]', 'endpoints.json': '[]' }, (folder) => {
    const [file, pods, endpoints] = ['rules.json', 'pods.json', 'endpoints.json'].map((name) =>
      path.join(folder, name),
    ) as [string, string, string];
    const config = JSON.stringify(prometheusConfig(file, { pods, endpoints }, 5));
    withFiles({ 'p.json': config }, (other) => promtool(['check', 'config', path.join(other, 'p.json')]));
  });
});

test('a pace shortens what alerts wait for and nothing else', () => {
  assert.deepEqual(
    ['15m', '3h', undefined].map((text) => pendingSeconds(text, 5)),
    [180, 2160, 0],
  );
  const [real, run] = [ruleGroups(), paced(ruleGroups(), 5)].map((groups) => groups.flatMap(({ rules }) => rules));
  for (const [index, rule] of real!.entries()) {
    const other = run![index]!;
    const without = (one: object) => ({ ...one, for: undefined });
    assert.deepEqual(without(other), without(rule));
    if (isAlert(rule) && isAlert(other)) assert.equal(other.for === undefined, rule.for === undefined);
  }
});

test('an alert has cleared when it does not fire at the end, and one of an objective is told by its window', async () => {
  const firing = (labels: Record<string, string>, ...times: number[]): Series => ({
    metric: { severity: 'page', owner: 'herd', alertstate: 'firing', ...labels },
    values: at(...times),
  });
  const stories = await alertStories(
    answering(() => [
      firing({ alertname: 'HerdTargetDown', instance: 'a' }, 1012, 1024),
      firing({ alertname: 'HerdTargetDown', instance: 'b' }, 1108, 1120),
      firing({ alertname: 'HerdProbeCallsFailing', window: '1h', zone: 'eu' }, 1000),
      { metric: { alertname: 'HerdLinksDown', alertstate: 'pending' }, values: at(1000) },
    ]),
    span,
    5,
  );
  const of = (alert: string, window?: string) => stories.find((s) => s.alert === alert && s.window === window)!;
  assert.deepEqual(of('HerdTargetDown').fired, [
    { of: 'instance=a', at: 1012, cleared: 1036 },
    { of: 'instance=b', at: 1108, cleared: undefined },
  ]);
  assert.deepEqual(of('HerdProbeCallsFailing', '1h').fired, [{ of: 'zone=eu', at: 1000, cleared: 1012 }]);
  assert.deepEqual(of('HerdProbeCallsFailing', '6h').fired, []);
  assert.deepEqual([of('HerdLinksDown').pending, of('HerdLinksDown').fired.length], [true, 0]);
  assert.equal(of('HerdQueueDeep').pending, false);
});

test('every query is asked as Grafana asks it, and one that gives no number has no data', async () => {
  const asked: string[] = [];
  const drawings = await answered(
    answering((query) => {
      asked.push(query);
      return [{ metric: {}, values: [[1000, query.includes('herd_node_epoch') ? 'NaN' : '1']] }];
    }),
    span,
    12,
    'all',
  );
  for (const query of asked) assert.doesNotMatch(query, /\$/);
  const all = answers(drawings);
  assert.equal(all.length, asked.length);
  const without = all.filter(({ series }) => series === 0);
  assert(without.length > 0 && without.every(({ expr }) => expr.includes('herd_node_epoch')));
  assert(all.some(({ panel, because }) => panel === 'herd-operator: Reached' && because !== undefined));
});
