/** What every panel of every dashboard shows of a run: the dashboards as Grafana imports them, each query with its answer. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { dashboards } from '../../monitoring/dashboards/index.ts';
import type { Prometheus, Series, Span } from './prometheus.ts';

const folder = path.join(import.meta.dirname, '../../monitoring/dist/dashboards');

/** Of what Grafana imports, what is drawn. */
export interface Drawing {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  /** By the name of a variable; of what is not here, all. */
  readonly chosen: Readonly<Record<string, string>>;
  readonly panels: readonly Panel[];
}

export interface Panel {
  readonly type: 'row' | 'stat' | 'timeseries';
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit: string;
      readonly thresholds: { readonly steps: readonly { readonly value: number | null; readonly color: string }[] };
      readonly custom?: { readonly stacking?: object; readonly thresholdsStyle?: object };
    };
  };
  readonly options?: { readonly colorMode?: string };
  readonly targets?: readonly Target[];
}

export interface Target {
  readonly expr: string;
  readonly legendFormat: string;
  /** Of the run; undefined until it was asked. */
  readonly series?: readonly Series[];
}

interface Json extends Omit<Drawing, 'chosen'> {
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly type: string;
      readonly allValue?: string;
      readonly query?: string;
    }[];
  };
}

/** Queries that no run in one cluster answers, by dashboard and panel. */
export const unanswerable: ReadonlyMap<string, string> = new Map([
  ['herd-operator: Reached', 'all Zones are in one cluster'],
]);

/** What is chosen for a picture, where all is more than one can see. */
const chosenForPictures: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'herd-node': { zone: 'eu', role: 'superpeer' },
};

/** As Grafana sends it when everything else is chosen, from a Prometheus that reads every so many seconds. */
function asSent(
  expr: string,
  { templating }: Json,
  scrapeSeconds: number,
  chosen: Readonly<Record<string, string>>,
): string {
  let sent = expr.replaceAll('$__rate_interval', `${4 * scrapeSeconds}s`);
  for (const { name, type, allValue, query } of templating.list) {
    const value = chosen[name] ?? (type === 'query' ? allValue : type === 'textbox' ? query : undefined);
    if (value !== undefined) sent = sent.replaceAll(`$${name}`, value);
  }
  return sent;
}

/** Asks everything that the dashboards ask, of all that they can choose or of what is chosen for pictures. */
export async function answered(
  prometheus: Prometheus,
  span: Span,
  scrapeSeconds: number,
  of: 'all' | 'pictures',
): Promise<Drawing[]> {
  const drawings: Drawing[] = [];
  for (const { uid } of dashboards) {
    const json = JSON.parse(await readFile(path.join(folder, `${uid}.json`), 'utf8')) as Json;
    const chosen = (of === 'pictures' && chosenForPictures[uid]) || {};
    const panels: Panel[] = [];
    for (const panel of json.panels) {
      const targets: Target[] = [];
      for (const target of panel.targets ?? []) {
        const series = await prometheus.range(asSent(target.expr, json, scrapeSeconds, chosen), span);
        targets.push({ ...target, series });
      }
      panels.push({ ...panel, targets });
    }
    drawings.push({ uid, title: json.title, description: json.description, chosen, panels });
  }
  return drawings;
}

export interface Answer {
  /** Dashboard and panel. */
  readonly panel: string;
  readonly expr: string;
  readonly series: number;
  /** Why no data had to be expected. */
  readonly because?: string;
}

/** Every query, and how many series it gave that have a number. */
export const answers = (drawings: readonly Drawing[]): Answer[] =>
  drawings.flatMap(({ uid, panels }) =>
    panels.flatMap(({ title, targets = [] }) =>
      targets.map(({ expr, series = [] }) => {
        const panel = `${uid}: ${title}`;
        const because = unanswerable.get(panel);
        const told = series.filter(({ values }) => values.some(([, value]) => Number.isFinite(Number(value)))).length;
        return { panel, expr, series: told, ...(because === undefined ? {} : { because }) };
      }),
    ),
  );
