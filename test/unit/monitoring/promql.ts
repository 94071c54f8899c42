import assert from 'node:assert/strict';
import { parser } from '@prometheus-io/lezer-promql';
import { metricLines } from '../../../monitoring/exporters.ts';
import { isAlert, ruleGroups } from '../../../monitoring/rules.ts';

/** Series that a query reads: a name, and the labels by which it chooses among them. */
export interface Selector {
  readonly name: string;
  readonly labels: readonly string[];
}

/** Throws if the query is not PromQL. */
export function selectorsOf(query: string): Selector[] {
  const text = (node: { from: number; to: number }) => query.slice(node.from, node.to);
  const selectors: { name: string; labels: string[] }[] = [];
  parser.parse(query).iterate({
    enter(node) {
      assert(!node.type.isError, `not PromQL at ${node.from}: ${query}`);
      if (node.name === 'VectorSelector') selectors.push({ name: '', labels: [] });
      if (node.name === 'Identifier' && node.node.parent?.name === 'VectorSelector')
        selectors.at(-1)!.name = text(node);
      if (node.name === 'LabelName' && node.node.parent?.name === 'UnquotedLabelMatcher')
        selectors.at(-1)!.labels.push(text(node));
    },
  });
  return selectors;
}

/** Of the target, which Prometheus adds. */
const TARGET_LABELS = ['job', 'instance', 'namespace', 'pod'];
/** Prometheus' own. */
const PROMETHEUS: readonly (readonly [string, readonly string[]])[] = [
  ['up', TARGET_LABELS],
  ['ALERTS', ['alertname', 'alertstate', 'severity', 'zone', 'role', 'instance']],
];

/** By the name of a series, the metric that it is of. */
export const seriesOf = new Map(
  metricLines().flatMap(({ name, type }) =>
    type === 'histogram'
      ? ['_bucket', '_sum', '_count'].map((suffix) => [name + suffix, name] as const)
      : [[name, name] as const],
  ),
);

/** By name, the labels that a query may choose by. */
const known = new Map<string, readonly string[]>([
  ...PROMETHEUS,
  ...metricLines().flatMap(({ name, type, labels }) => {
    const all = [...labels, 'role', 'zone', ...TARGET_LABELS];
    return type === 'histogram'
      ? [
          [`${name}_bucket`, [...all, 'le']] as const,
          ...['_sum', '_count'].map((suffix) => [name + suffix, all] as const),
        ]
      : [[name, all] as const];
  }),
  ...ruleGroups()
    .flatMap(({ rules }) => rules)
    .flatMap((rule) =>
      isAlert(rule) ? [] : [[rule.record, ['zone', 'peer_zone', 'role', 'verb', ...TARGET_LABELS]] as const],
    ),
]);

/** Asserts that whatever the query reads exists, and has the labels by which it chooses; the names. */
export function namesRead(query: string, where: string): string[] {
  return selectorsOf(query).map(({ name, labels }) => {
    const has = known.get(name);
    assert(has, `${where}: nothing is called ${name || '(a selector without a name)'} in ${query}`);
    for (const label of labels) assert(has.includes(label), `${where}: ${name} has no label ${label}`);
    return name;
  });
}
