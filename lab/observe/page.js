// Lays out one dashboard with the answers to its queries. Runs in a page that has uPlot and `run` (draw.ts).
/* global run, uPlot */
const { span, events, drawing } = run;
const WIDTH = 1000;
const UNIT = { width: WIDTH / 24, height: 34 };
const LEGEND_HEIGHT = 43;
const COLOURS = [
  ...['#1f77b4', '#ff7f0e', '#2ca02c', '#d62728', '#9467bd', '#8c564b', '#e377c2', '#7f7f7f', '#bcbd22', '#17becf'],
  ...['#0b4f7d', '#b35500', '#176d17', '#8f1414', '#5c3a80', '#5c352d', '#a03a85', '#4d4d4d', '#7a7b12', '#0d7f8a'],
];
const named = { green: '#1a7f37', red: '#cf222e' };

const element = (name, text, className) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
};

const scaled = (value, base, units) => {
  let size = Math.abs(value);
  let i = 0;
  for (; size >= base && i < units.length - 1; i += 1) size /= base;
  return `${round(Math.sign(value) * size)}${units[i]}`;
};
const round = (value) => {
  const size = Math.abs(value);
  return Number(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3)).toString();
};
/** Grafana's names of units, as a person reads them. */
const formats = {
  short: (value) => scaled(value, 1000, ['', ' k', ' M', ' G']),
  s: (value) => {
    const size = Math.abs(value);
    if (size === 0) return '0 s';
    if (size < 0.001) return `${round(value * 1e6)} µs`;
    if (size < 1) return `${round(value * 1000)} ms`;
    if (size < 120) return `${round(value)} s`;
    if (size < 7200) return `${round(value / 60)} min`;
    if (size < 172_800) return `${round(value / 3600)} h`;
    return `${round(value / 86_400)} d`;
  },
  percentunit: (value) => `${round(value * 100)} %`,
  bytes: (value) => scaled(value, 1024, [' B', ' KiB', ' MiB', ' GiB']),
  decbytes: (value) => scaled(value, 1000, [' B', ' kB', ' MB', ' GB', ' TB']),
  Bps: (value) => scaled(value, 1000, [' B/s', ' kB/s', ' MB/s']),
  pps: (value) => scaled(value, 1000, [' p/s', ' kp/s']),
  cps: (value) => scaled(value, 1000, [' /s', ' k/s']),
  cores: (value) => `${round(value)}`,
  currencyUSD: (value) => `$${round(value)}`,
  bool_yes_no: (value) => (value === 0 ? 'no' : 'yes'),
};
/** What lies between two lines of the grid, where decimal steps read badly. */
const steps = {
  s: [
    ...[1, 2, 5, 10, 20, 50, 100, 200, 500].flatMap((n) => [n / 1e6, n / 1e3]).sort((a, b) => a - b),
    ...[1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 172_800, 604_800],
  ],
  bytes: Array.from({ length: 35 }, (_, i) => 2 ** i),
};
const formatOf = (panel) => formats[panel.fieldConfig.defaults.unit];

const times = [];
for (let at = span.start; at <= span.end; at += span.step) times.push(at);

/** Each series with its name, and a number or null for each time. */
function linesOf(panel) {
  return panel.targets.flatMap(({ legendFormat, series }) =>
    series.map(({ metric, values }) => {
      const by = new Map(values.map(([at, value]) => [Math.round((at - span.start) / span.step), Number(value)]));
      return {
        name: legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? ''),
        values: times.map((_, i) => (Number.isFinite(by.get(i)) ? by.get(i) : null)),
      };
    }),
  );
}

const limitsOf = (panel) =>
  panel.fieldConfig.defaults.thresholds.steps.filter(({ value }) => value !== null && value !== undefined);

function colourAt(panel, value) {
  const steps = panel.fieldConfig.defaults.thresholds.steps;
  return named[steps.findLast((step) => step.value === null || step.value === undefined || value >= step.value).color];
}

function drawStat(panel, box) {
  const line = linesOf(panel)[0];
  const value = line?.values.findLast((one) => one !== null);
  const stat = element('div', value === undefined ? 'no data' : formatOf(panel)(value), 'value');
  if (value !== undefined) {
    const colour = colourAt(panel, value);
    if (panel.options.colorMode === 'background') {
      box.style.background = colour;
      box.classList.add('on');
    } else stat.style.color = colour;
  }
  box.append(stat, element('div', panel.description, 'said'));
}

/** What happened in the run, as thin lines from top to bottom. */
const drawEvents = (plot) => {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = '#8c959f';
  ctx.setLineDash([2, 3]);
  for (const { at } of events) {
    const x = plot.valToPos(at, 'x', true);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
};

/** From where on it is bad. */
const drawLimits = (panel) => (plot) => {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.strokeStyle = named.red;
  ctx.setLineDash([6, 4]);
  for (const { value } of limitsOf(panel)) {
    const y = plot.valToPos(value, 'y', true);
    if (y < bbox.top || y > bbox.top + bbox.height) continue;
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
};

function drawLines(panel, box, width, height) {
  const lines = linesOf(panel);
  if (!lines.some(({ values }) => values.some((value) => value !== null)))
    return box.append(element('div', 'no data', 'none'));
  const stacked = panel.fieldConfig.defaults.custom?.stacking?.mode === 'normal';
  const drawn = lines.map(({ values }) => values);
  if (stacked)
    for (let i = 1; i < drawn.length; i += 1)
      drawn[i] = drawn[i].map((value, at) => (value === null ? drawn[i - 1][at] : value + (drawn[i - 1][at] ?? 0)));
  const colour = (i) => COLOURS[i % COLOURS.length];
  const format = formatOf(panel);
  const incrs = steps[panel.fieldConfig.defaults.unit];
  const all = drawn.flat().filter((value) => value !== null);
  const [least, most] = [Math.min(0, ...all), Math.max(...all)];
  // A limit is shown when the values come near it, so that it doesn't press them flat.
  const shown = limitsOf(panel)
    .map(({ value }) => value)
    .filter((value) => value <= 3 * most && value >= 3 * least);
  const top = Math.max(most, ...shown);
  const minutes = (_plot, at) => at.map((one) => `${Math.round((one - span.start) / 60)} min`);
  const series = drawn.map((_, i) => ({
    stroke: colour(i),
    width: 1.2,
    points: { show: false },
    ...(stacked ? { fill: `${colour(i)}30` } : {}),
  }));
  const options = {
    width: width - 22,
    height,
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: false, range: [span.start, span.end] },
      y: { range: [least, top === least ? least + 1 : least + 1.08 * (top - least)] },
    },
    axes: [
      {
        values: minutes,
        splits: () => Array.from({ length: 20 }, (_, i) => span.start + 120 * i).filter((at) => at <= span.end),
        grid: { stroke: '#eaeef2', width: 1 },
        ticks: { show: false },
        size: 20,
        font: '10px DejaVu Sans',
        gap: 2,
      },
      {
        values: (_, at) => at.map(format),
        ...(incrs ? { incrs } : {}),
        grid: { stroke: '#eaeef2', width: 1 },
        ticks: { show: false },
        size: 66,
        font: '10px DejaVu Sans',
        gap: 4,
      },
    ],
    series: [{}, ...series],
    hooks: { draw: [drawEvents, drawLimits(panel)] },
  };
  // Later lines of a stack lie behind earlier ones.
  const order = stacked ? [...drawn.keys()].reverse() : [...drawn.keys()];
  options.series = [{}, ...order.map((i) => series[i])];
  new uPlot(options, [times, ...order.map((i) => drawn[i])], box);
  const legend = element('ul');
  for (const [i, { name }] of lines.entries()) {
    const item = element('li');
    const mark = element('i');
    mark.style.background = colour(i);
    item.append(mark, name);
    legend.append(item);
  }
  box.append(legend);
  fit(legend);
}

/** What does not fit is counted. */
function fit(legend) {
  const items = [...legend.children];
  const more = element('li');
  for (let hidden = 0; legend.scrollHeight > legend.clientHeight + 1 && items.length > 0; ) {
    items.pop().remove();
    hidden += 1;
    more.textContent = `and ${hidden} more`;
    legend.append(more);
  }
}

const head = element('header');
const clock = (at) => `${Math.round((at - span.start) / 60)} min`;
head.append(
  element('h1', drawing.title),
  element('p', drawing.description),
  element(
    'p',
    `A run of ${clock(span.end)} of npm run observe. ${events.map(({ at, text }) => `${((at - span.start) / 60).toFixed(1)} min: ${text}`).join('. ')}.`,
  ),
);
const chosen = Object.entries(drawing.chosen).map(([name, value]) => `${name} ${value}`);
if (chosen.length > 0) head.firstChild.append(element('span', ` (${chosen.join(', ')})`, 'unit'));
const main = element('main');
document.body.append(head, main);
for (const panel of drawing.panels) {
  const { x, y, w, h } = panel.gridPos;
  const [width, height] = [w * UNIT.width, h * UNIT.height];
  const section = element('section', undefined, panel.type);
  Object.assign(section.style, {
    left: `${x * UNIT.width}px`,
    top: `${y * UNIT.height}px`,
    width: `${width}px`,
    height: `${height}px`,
  });
  const box = element('div');
  section.append(box);
  main.append(section);
  if (panel.type === 'row') box.append(panel.title);
  else {
    box.append(element('h2', panel.title));
    if (panel.type === 'stat') drawStat(panel, box);
    else {
      box.append(element('div', panel.description, 'said'));
      drawLines(panel, box, width, height - LEGEND_HEIGHT - 46);
    }
  }
}
