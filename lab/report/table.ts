/** The calls as a page of text. */
import type { CallRow, MeasuredCall } from '../calls/row.ts';

const COLUMNS: readonly { title: string; unit: string; cell: (row: MeasuredCall) => string }[] = [
  { title: 'set-up', unit: 'ms', cell: ({ setupMs }) => setupMs.toFixed(0) },
  { title: 'one-way', unit: 'ms', cell: ({ oneWayMs }) => oneWayMs.toFixed(1) },
  { title: 'direct', unit: 'ms', cell: ({ directMs }) => directMs.toFixed(1) },
  { title: 'added', unit: 'ms', cell: ({ addedMs }) => addedMs.toFixed(1) },
  { title: 'loss', unit: '%', cell: ({ lossRatio }) => (100 * lossRatio).toFixed(2) },
  { title: 'R', unit: '', cell: ({ r }) => r.toFixed(1) },
  { title: 'MOS', unit: '', cell: ({ mos }) => mos.toFixed(2) },
  { title: 'Herd', unit: 'band', cell: ({ band }) => band },
  { title: 'Drac', unit: 'band', cell: ({ drac }) => drac.band },
  { title: 'SNR', unit: 'dB', cell: ({ segmentalSnrDb }) => segmentalSnrDb.toFixed(1) },
];

/** Numbers are set to the right, words to the left; a call that failed has its reason where the numbers would be. */
export function table(rows: readonly CallRow[]): string {
  const lines = [
    ['from', 'to', ...COLUMNS.map(({ title }) => title)],
    ['', '', ...COLUMNS.map(({ unit }) => unit)],
    ...rows.map((row) => [
      row.from,
      row.to,
      ...(row.outcome === 'measured' ? COLUMNS.map(({ cell }) => cell(row)) : []),
    ]),
  ];
  const widths = lines[0].map((_, i) => Math.max(...lines.map((cells) => cells[i]?.length ?? 0)));
  const toTheRight = (i: number) => lines.slice(2).some((cells) => /^[-\d.]+$/.test(cells[i] ?? ''));
  const text = lines.map((cells, l) => {
    const set = cells.map((cell, i) => (toTheRight(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])));
    const row = l < 2 ? undefined : rows[l - 2];
    return [...set, ...(row?.outcome === 'failed' ? [`failed: ${row.reason}`] : [])].join('  ').trimEnd();
  });
  const rule = '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2));
  return [...text.slice(0, 2), rule, ...text.slice(2), '', explanation(rows)].join('\n');
}

function explanation(rows: readonly CallRow[]): string {
  const playoutsMs = rows.flatMap((row) => (row.outcome === 'measured' ? [Math.round(row.playoutDelayMs)] : []));
  const least = Math.min(...playoutsMs);
  const most = Math.max(...playoutsMs);
  const playout = playoutsMs.length === 0 ? '' : ` (${least === most ? least : `${least} to ${most}`} ms)`;
  return (
    `"from" calls and hears "to": one-way = network through Herd, direct = without it, added = the difference; ` +
    `R, MOS and both bands also count 20 ms of packetization and the playout buffer${playout}.`
  );
}
