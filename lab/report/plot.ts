/**
 * The paper's Figure 7 with the lab's numbers: one-way delays of Drac (H = 0) and Herd for every pair of zones, over the
 * bands of quality that the E-model gives to such a delay without loss. The delays are from mouth to ear, as the bands
 * are. The picture is one SVG document that needs nothing else.
 */
import { BANDS, delayMsAtR } from '../../evaluation/quality/emodel.ts';
import type { CallRow, MeasuredCall } from '../calls/row.ts';

/** Pixels. */
const PLOT = { left: 72, top: 84, right: 880, bottom: 500 };
const SIZE = { width: 1020, height: 592 };
const TICK_MS = 50;
const HEADROOM_MS = 30;

const BAND_COLOURS = {
  perfect: '#cfe9cf',
  high: '#e6f2c8',
  medium: '#fdf3c4',
  low: '#fcdfb8',
  poor: '#f8c8b8',
  'not recommended': '#e6b3b3',
};
const INK = '#222';
const DRAC = '#b03060';
const HERD = '#1f4e9c';

/** The plot of these calls, in their order; the callers' groups are told apart by lines. */
export function figure7(rows: readonly CallRow[]): string {
  const delaysMs = rows.flatMap((row) => (row.outcome === 'measured' ? [row.mouthToEarMs, row.drac.mouthToEarMs] : []));
  const topMs = Math.max(delayMsAtR(50), ...delaysMs.map((delayMs) => delayMs + HEADROOM_MS));
  const y = (delayMs: number) => PLOT.bottom - (delayMs / topMs) * (PLOT.bottom - PLOT.top);
  const step = (PLOT.right - PLOT.left) / rows.length;
  const x = (column: number) => PLOT.left + step * (column + 0.5);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" width="${SIZE.width}"` +
      ` height="${SIZE.height}" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="${INK}">`,
    '<title>One-way delays of Drac and Herd for every pair of zones</title>',
    `<rect width="${SIZE.width}" height="${SIZE.height}" fill="white"/>`,
    ...bands(topMs, y),
    ...axis(topMs, y),
    ...groups(rows, x, step),
    ...rows.flatMap((row, i) => (row.outcome === 'measured' ? delays(row, x(i), y) : failure(x(i)))),
    ...legend(),
    '</svg>',
    '',
  ].join('\n');
}

function bands(topMs: number, y: (delayMs: number) => number): string[] {
  return BANDS.flatMap(({ name, rMin }, i) => {
    const fromMs = i === 0 ? 0 : delayMsAtR(BANDS[i - 1].rMin);
    const toMs = Math.min(topMs, rMin === -Infinity ? topMs : delayMsAtR(rMin));
    if (fromMs >= toMs) return [];
    const height = y(fromMs) - y(toMs);
    const area = `<rect x="${PLOT.left}" y="${px(y(toMs))}" width="${PLOT.right - PLOT.left}" height="${px(height)}"`;
    return [
      `${area} fill="${BAND_COLOURS[name]}"/>`,
      ...(height < 16 ? [] : [text(PLOT.right + 10, (y(fromMs) + y(toMs)) / 2 + 5, name, 'start')]),
      ...(i === 0
        ? []
        : [text(PLOT.right + 10, y(fromMs) + 4, `${fromMs.toFixed(0)} ms`, 'start', 'font-size="10" fill="#777"')]),
    ];
  });
}

function axis(topMs: number, y: (delayMs: number) => number): string[] {
  const ticks = Array.from({ length: Math.floor(topMs / TICK_MS) + 1 }, (_, i) => i * TICK_MS);
  const middle = (PLOT.top + PLOT.bottom) / 2;
  return [
    ...ticks.flatMap((ms) => [
      line(PLOT.left - 5, y(ms), PLOT.left, y(ms), `stroke="${INK}"`),
      text(PLOT.left - 9, y(ms) + 4, `${ms}`, 'end'),
    ]),
    line(PLOT.left, PLOT.top, PLOT.left, PLOT.bottom, `stroke="${INK}"`),
    line(PLOT.left, PLOT.bottom, PLOT.right, PLOT.bottom, `stroke="${INK}"`),
    text(22, middle, 'one-way delay, mouth to ear (ms)', 'middle', `transform="rotate(-90 22 ${middle})"`),
    text(
      (PLOT.left + PLOT.right) / 2,
      SIZE.height - 14,
      'zone of the caller, who listens (below), and of the callee, who speaks (above)',
      'middle',
    ),
  ];
}

/** The zones' names under their columns: the callee's under each, the caller's once under its neighbours. */
function groups(rows: readonly CallRow[], x: (column: number) => number, step: number): string[] {
  return rows.flatMap((row, i) => {
    const label = text(x(i), PLOT.bottom + 20, row.to.toUpperCase(), 'middle');
    if (i > 0 && rows[i - 1].from === row.from) return [label];
    const following = rows.slice(i).findIndex(({ from }) => from !== row.from);
    const columns = following === -1 ? rows.length - i : following;
    const edge = x(i) - step / 2;
    const separator = line(edge, PLOT.top, edge, PLOT.bottom + 48, 'stroke="white" stroke-width="2"');
    return [
      label,
      ...(i === 0 ? [] : [separator, line(edge, PLOT.bottom, edge, PLOT.bottom + 48, 'stroke="#999"')]),
      text(edge + (step * columns) / 2, PLOT.bottom + 42, row.from.toUpperCase(), 'middle', 'font-weight="bold"'),
    ];
  });
}

function delays({ mouthToEarMs, drac }: MeasuredCall, x: number, y: (delayMs: number) => number): string[] {
  const herdY = y(mouthToEarMs);
  const dracY = y(drac.mouthToEarMs);
  const herdIsAbove = herdY <= dracY;
  return [
    line(x, dracY, x, herdY, 'stroke="#666" stroke-dasharray="3 3"'),
    dracMark(x, dracY),
    herdMark(x, herdY),
    text(x, herdY + (herdIsAbove ? -11 : 21), mouthToEarMs.toFixed(0), 'middle', `fill="${HERD}"`),
    text(x, dracY + (herdIsAbove ? 21 : -11), drac.mouthToEarMs.toFixed(0), 'middle', `fill="${DRAC}"`),
  ];
}

function failure(x: number): string[] {
  const middle = (PLOT.top + PLOT.bottom) / 2;
  return [text(x, middle, 'call failed', 'middle', `fill="#a00" transform="rotate(-90 ${px(x)} ${middle})"`)];
}

function legend(): string[] {
  return [
    text(PLOT.left, 30, 'Delay of a call between zones, and the quality it allows', 'start', 'font-size="18"'),
    herdMark(PLOT.left + 8, 58),
    text(PLOT.left + 22, 62, 'Herd', 'start'),
    dracMark(PLOT.left + 88, 58),
    text(PLOT.left + 102, 62, 'Drac, H = 0 (the same clients, directly)', 'start'),
  ];
}

function herdMark(x: number, y: number): string {
  return `<circle cx="${px(x)}" cy="${px(y)}" r="6" fill="${HERD}"/>`;
}

function dracMark(x: number, y: number): string {
  return `<path d="M${px(x - 7)} ${px(y)} l7 -7 l7 7 l-7 7 z" fill="white" stroke="${DRAC}" stroke-width="2"/>`;
}

function line(x1: number, y1: number, x2: number, y2: number, attributes: string): string {
  return `<line x1="${px(x1)}" y1="${px(y1)}" x2="${px(x2)}" y2="${px(y2)}" ${attributes}/>`;
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end', attributes = ''): string {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${px(x)}" y="${px(y)}" text-anchor="${anchor}" ${attributes}>${escaped}</text>`;
}

/** A hundredth of a pixel is fine enough. */
function px(value: number): number {
  return Math.round(100 * value) / 100;
}
