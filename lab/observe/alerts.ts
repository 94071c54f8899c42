/** Which alerts a run saw pending, firing and cleared. */
import { isAlert, ruleGroups } from '../../monitoring/rules.ts';
import { type Prometheus, pendingSeconds, type Span } from './prometheus.ts';

export interface AlertStory {
  readonly alert: string;
  /** Of an objective's alerts, which of them. */
  readonly window?: string;
  readonly severity: string;
  /** As the rules have it; "" is at once. */
  readonly for: string;
  /** In this run. */
  readonly forSeconds: number;
  /** About whom it fired: what tells its series apart. */
  readonly fired: readonly { readonly of: string; readonly at: number; readonly cleared: number | undefined }[];
  /** It was pending, whether or not it fired. */
  readonly pending: boolean;
}

/** @returns all alerts in the order of the rules; times in seconds since 1970 */
export async function alertStories(prometheus: Prometheus, span: Span, pace: number): Promise<AlertStory[]> {
  const series = await prometheus.range('ALERTS{alertname=~"Herd.*"}', span);
  return ruleGroups()
    .flatMap(({ rules }) => rules)
    .filter(isAlert)
    .map(({ alert, labels, ...rule }) => {
      const { severity, window } = labels;
      const own = series.filter(({ metric }) => metric.alertname === alert && metric.window === window);
      const firing = own.filter(({ metric }) => metric.alertstate === 'firing');
      return {
        alert,
        ...(window === undefined ? {} : { window }),
        severity,
        for: rule.for ?? '',
        forSeconds: pendingSeconds(rule.for, pace),
        fired: firing.map(({ metric, values }) => {
          const last = values.at(-1)![0];
          return {
            of: whom(metric),
            at: values[0]![0],
            // One more answer would have shown it.
            cleared: last > span.end - 1.5 * span.step ? undefined : last + span.step,
          };
        }),
        pending: own.length > 0,
      };
    });
}

const common = new Set(['__name__', 'alertname', 'alertstate', 'severity', 'owner', 'window', 'job', 'namespace']);

const whom = (metric: Readonly<Record<string, string>>): string =>
  Object.entries(metric)
    .filter(([name]) => !common.has(name) && name !== 'pod' && name !== 'container')
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
