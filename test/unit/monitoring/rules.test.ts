import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { root } from '../../../monitoring/main.ts';
import { type AlertingRule, defaultOptions, isAlert, ruleGroups } from '../../../monitoring/rules.ts';
import { promtool, withFiles, withoutPromtool } from './promtool.ts';
import { type AlertCase, alertCases, type RecordCase, recordCases, type Series } from './rule-cases.ts';

const groups = ruleGroups();
const rules = groups.flatMap((group) => group.rules);
const alerts = rules.filter(isAlert);
const files = groups.map(({ name }) => path.join(root, 'monitoring', 'rules', `${name}.yaml`));

/** The rule that a case's labels are of. */
function ruleOf({ alert }: AlertCase, labels: Readonly<Record<string, string>>): AlertingRule {
  const rule = alerts.find((one) => one.alert === alert && one.labels.window === labels.window);
  assert(rule, `${alert} ${JSON.stringify(labels)}`);
  return rule;
}

const rendered = (text: string, labels: Readonly<Record<string, string>>, value = '') =>
  text
    .replace(/\{\{ \$labels\.(\w+) \}\}/g, (_all, label: string) => labels[label] ?? '')
    .replace(/\{\{ \$value[^}]*\}\}/g, value);

/** What promtool is to ask, of these series and after so long. */
interface Question {
  readonly series: Series;
  readonly slow: boolean;
  /** Every series name that the answer depends on. */
  readonly reads: ReadonlySet<string>;
  readonly ask: { readonly alert_rule_test: object } | { readonly promql_expr_test: object };
}

const recorded = new Map(rules.flatMap((rule) => (isAlert(rule) ? [] : [[rule.record, rule.expr] as const])));

/** Names that may be of series, with those from which they are recorded. */
function namesIn(expr: string): string[] {
  return [...expr.matchAll(/[a-z_][a-z0-9_:]*/g)].flatMap(([name]) => {
    const source = recorded.get(name);
    return source === undefined ? [name] : [name, ...namesIn(source)];
  });
}

function questionOf(one: AlertCase): Question {
  const exprs = alerts.filter(({ alert }) => alert === one.alert).map(({ expr }) => expr);
  const { series, slow = false } = one;
  const reads = new Set(exprs.flatMap(namesIn));
  // What a share has become while it falls nobody works out: there it is asked who fires, and not with which words.
  if (slow) {
    const samples = one.fires.map(({ labels }) => {
      const all = { ...ruleOf(one, labels).labels, ...labels, alertname: one.alert, alertstate: 'firing' };
      const text = Object.entries(all).map(([label, value]) => `${label}="${value}"`);
      return { labels: `ALERTS{${text.join(',')}}`, value: 1 };
    });
    const expr = `ALERTS{alertname="${one.alert}",alertstate="firing"}`;
    return { series, slow, reads, ask: { promql_expr_test: { expr, eval_time: one.at, exp_samples: samples } } };
  }
  const expected = one.fires.map(({ labels, value }) => {
    const rule = ruleOf(one, labels);
    const texts = Object.entries(rule.annotations).map(([name, text]) => [name, rendered(text, labels, value)]);
    return { exp_labels: { ...rule.labels, ...labels }, exp_annotations: Object.fromEntries(texts) };
  });
  const ask = { alert_rule_test: { eval_time: one.at, alertname: one.alert, exp_alerts: expected } };
  return { series, slow, reads, ask };
}

function recordingOf({ record, series, at, samples }: RecordCase): Question {
  const expected = samples.map(({ labels, value }) => ({ labels: `{${labels}}`, value }));
  // promtool knows no tolerance.
  const ask = { promql_expr_test: { expr: `round(${record}, 1e-6)`, eval_time: at, exp_samples: expected } };
  return { series, slow: false, reads: new Set(namesIn(record)), ask };
}

const nameOf = (series: string) => series.split('{')[0]!;
const seriesOf = (series: Series, name: string) =>
  JSON.stringify(
    Object.entries(series)
      .filter(([one]) => nameOf(one) === name)
      .sort(),
  );

/** Whether each sees what it would see without the other. */
function agree(one: Question, other: Question): boolean {
  const known = (question: Question) => new Set([...question.reads, ...Object.keys(question.series).map(nameOf)]);
  const theirs = known(other);
  return [...known(one)]
    .filter((name) => theirs.has(name))
    .every((name) => seriesOf(one.series, name) === seriesOf(other.series, name));
}

/** Asks all, as many as agree at once: promtool takes its time to set up each test, and little to answer. */
function run(questions: readonly Question[]): void {
  for (const slow of [false, true]) {
    const together: Question[][] = [];
    for (const question of questions.filter((one) => one.slow === slow)) {
      const found = together.find((others) => others.every((other) => agree(question, other)));
      if (found) found.push(question);
      else together.push([question]);
    }
    const tests = together.map((asked) => ({
      interval: slow ? '5m' : '1m',
      input_series: Object.entries(Object.assign({}, ...asked.map(({ series }) => series))).map(([series, values]) => ({
        series,
        values,
      })),
      alert_rule_test: asked.flatMap(({ ask }) => ('alert_rule_test' in ask ? [ask.alert_rule_test] : [])),
      promql_expr_test: asked.flatMap(({ ask }) => ('promql_expr_test' in ask ? [ask.promql_expr_test] : [])),
    }));
    const order = groups.map(({ name }) => name);
    const options = { rule_files: files, evaluation_interval: slow ? '5m' : '1m', group_eval_order: order };
    const text = JSON.stringify({ ...options, tests });
    withFiles({ 'tests.yaml': text }, (folder) => promtool(['test', 'rules', path.join(folder, 'tests.yaml')]));
  }
}

test('the rule files are as promtool wants them', { skip: withoutPromtool }, () => {
  promtool(['check', 'rules', '--lint=all', '--lint-fatal', ...files]);
});

test('each alert fires when it should, with the words that it should, and not otherwise', {
  skip: withoutPromtool,
}, () => {
  run(alertCases.map(questionOf));
});

test('each recording rule records what it should', { skip: withoutPromtool }, () => {
  run(recordCases.map(recordingOf));
});

test('the tests would notice an alert that does not fire, and a wrong word', { skip: withoutPromtool }, () => {
  const fires = alertCases.find(({ alert, fires }) => alert === 'HerdLinksDown' && fires.length > 0)!;
  const silent = alertCases.find(({ alert, fires }) => alert === 'HerdLinksDown' && fires.length === 0)!;
  assert.throws(() => run([questionOf({ ...silent, fires: fires.fires })]), /FAILED/);
  assert.throws(() => run([questionOf({ ...fires, fires: [{ ...fires.fires[0]!, value: '3' }] })]), /FAILED/);
});

test('every alert, of each window, has a case in which it fires and one in which it does not', () => {
  for (const { alert, labels } of alerts) {
    const cases = alertCases.filter((one) => one.alert === alert);
    const fires = ({ fires }: AlertCase) => fires.some((one) => one.labels.window === labels.window);
    assert(cases.some(fires), `${alert} ${labels.window ?? ''} never fires`);
    assert(!cases.every(fires), `${alert} ${labels.window ?? ''} is never silent`);
  }
  for (const { alert } of alertCases)
    assert(
      alerts.some((one) => one.alert === alert),
      alert,
    );
});

test('every recording rule has a case with a value', () => {
  const records = rules.flatMap((rule) => (isAlert(rule) ? [] : [rule.record]));
  const tried = new Set(recordCases.filter(({ samples }) => samples.length > 0).map(({ record }) => record));
  assert.deepEqual([...records].sort(), [...tried].sort());
  assert.equal(new Set(records).size, records.length, 'recorded once each');
});

test('every alert says who is asked, how soon, what is the matter and what to do', () => {
  for (const { alert, labels, annotations } of alerts) {
    assert.match(alert, /^Herd[A-Z][A-Za-z]+$/);
    assert(labels.severity === 'page' || labels.severity === 'ticket', alert);
    assert.equal(labels.owner, 'herd', alert);
    assert(annotations.summary.length > 0 && annotations.description.length > 0, alert);
    assert.equal(annotations.runbook_url, `${defaultOptions.runbooks}${alert}.md`);
  }
});

test('runbooks may be read elsewhere, and epochs be longer', () => {
  const other = ruleGroups({ runbooks: 'https://wiki/', epochSeconds: 3600 }).flatMap((group) => group.rules);
  const stuck = other.filter(isAlert).find(({ alert }) => alert === 'HerdEpochStuck')!;
  assert.equal(stuck.annotations.runbook_url, 'https://wiki/HerdEpochStuck.md');
  assert.match(stuck.expr, /> 14400$/);
});
