/**
 * How our dashboards are drawn: rows of lines and figures, which is all that they need. A panel says what it shows, in
 * which unit, from where on it is bad, and the runbook to read then.
 */

import {
  BigValueColorMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardBuilder,
  DashboardCursorSync,
  type Dashboard as DashboardJson,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  TextBoxVariableBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** Grafana's names of units. */
export type Unit =
  | 'short'
  | 's'
  | 'percentunit'
  | 'bytes'
  | 'Bps'
  | 'pps'
  | 'cps'
  | 'cores'
  | 'currencyUSD'
  | 'bool_yes_no'
  | 'decbytes';

export interface Query {
  readonly expr: string;
  /** `{{label}}` stands for the label's value. */
  readonly legend: string;
}

export interface Panel {
  readonly kind: 'lines' | 'figure';
  readonly title: string;
  readonly description: string;
  readonly unit: Unit;
  readonly queries: readonly Query[];
  /** It is bad from `from` on, upwards, or downwards if `below`. */
  readonly bad?: { readonly from: number; readonly below?: true };
  /** The alert whose runbook says what to do. */
  readonly runbook?: string;
  readonly stacked?: true;
  /** Of 24 columns. */
  readonly width?: number;
}

export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** What can be chosen above the panels; each narrows those after it. */
export type Choice = 'zone' | 'role' | 'instance';

export interface Price {
  readonly name: string;
  readonly label: string;
  readonly default: string;
}

export interface Dashboard {
  /** Stays for ever: links point at it. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly choices: readonly Choice[];
  /** Numbers that only the reader knows. */
  readonly prices?: readonly Price[];
  readonly rows: readonly Row[];
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's variable, not ours.
const datasource = { type: 'prometheus', uid: '${datasource}' };
const columns = 24;

const choices: Readonly<Record<Choice, string>> = {
  zone: 'label_values(herd_build_info{role!=""}, zone)',
  role: 'label_values(herd_build_info{zone=~"$zone"}, role)',
  instance: 'label_values(herd_build_info{zone=~"$zone",role=~"$role"}, instance)',
};

/** The chosen nodes, as a query's selector has them. */
export const chosen = {
  zone: 'zone=~"$zone"',
  node: 'zone=~"$zone",role=~"$role",instance=~"$instance"',
};

function choice(name: Choice): QueryVariableBuilder {
  return (
    new QueryVariableBuilder(name)
      .label(name)
      .datasource(datasource)
      .query(choices[name])
      .multi(true)
      .includeAll(true)
      // What has no such label, as the operator's processes, is not chosen.
      .allValue('.+')
      .refresh(VariableRefresh.OnTimeRangeChanged)
      .sort(VariableSort.AlphabeticalAsc)
      .current({ text: 'All', value: '$__all' })
  );
}

const letters = 'ABCDEFGHIJ';

const target = ({ expr, legend }: Query, index: number): DataqueryBuilder =>
  new DataqueryBuilder().datasource(datasource).expr(expr).legendFormat(legend).refId(letters[index]!);

/** Green, and red where it is bad. */
function thresholds({ bad }: Panel): ThresholdsConfigBuilder {
  const [good, red] = ['green', 'red'];
  const steps = bad
    ? [
        { value: null, color: bad.below ? red : good },
        { value: bad.from, color: bad.below ? good : red },
      ]
    : [{ value: null, color: good }];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}

function linksOf({ runbook }: Panel, runbooks: string): DashboardLinkBuilder[] {
  if (runbook === undefined) return [];
  const title = `Runbook: ${runbook}`;
  const url = `${runbooks}${runbook}.md`;
  return [new DashboardLinkBuilder(title).type(DashboardLinkType.Link).url(url).targetBlank(true)];
}

function lines(panel: Panel): TimeseriesBuilder {
  const builder = new TimeseriesBuilder()
    .lineWidth(1)
    .fillOpacity(panel.stacked ? 20 : 0)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi));
  if (panel.stacked) builder.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  if (panel.bad) builder.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
  return builder;
}

function figure(panel: Panel): StatBuilder {
  return new StatBuilder()
    .colorMode(panel.bad ? BigValueColorMode.Background : BigValueColorMode.Value)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false));
}

function drawn(panel: Panel, id: number, runbooks: string): StatBuilder | TimeseriesBuilder {
  const { kind, title, description, unit, queries } = panel;
  const builder = kind === 'lines' ? lines(panel) : figure(panel);
  return builder
    .id(id)
    .title(title)
    .description(description)
    .datasource(datasource)
    .unit(unit)
    .targets(queries.map(target))
    .thresholds(thresholds(panel))
    .links(linksOf(panel, runbooks))
    .span(panel.width ?? (kind === 'lines' ? columns / 2 : columns / 6))
    .height(kind === 'lines' ? 8 : 4);
}

/** As Grafana imports it. */
export function dashboardJson(dashboard: Dashboard, runbooks: string): DashboardJson {
  const builder = new DashboardBuilder(dashboard.title)
    .uid(dashboard.uid)
    .description(dashboard.description)
    .tags(['herd'])
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-6h', to: 'now' })
    .timezone('browser')
    .refresh('1m')
    .readonly()
    .withVariable(new DatasourceVariableBuilder('datasource').label('data source').type('prometheus'))
    .link(
      new DashboardLinkBuilder('Herd')
        .type(DashboardLinkType.Dashboards)
        .tags(['herd'])
        .asDropdown(true)
        .includeVars(true)
        .keepTime(true),
    );
  for (const name of dashboard.choices) builder.withVariable(choice(name));
  for (const { name, label, default: value } of dashboard.prices ?? [])
    builder.withVariable(new TextBoxVariableBuilder(name).label(label).defaultValue(value));
  let id = 1;
  for (const { title, panels } of dashboard.rows) {
    builder.withRow(new RowBuilder(title).id(id++));
    for (const panel of panels) builder.withPanel(drawn(panel, id++, runbooks));
  }
  return builder.build();
}
