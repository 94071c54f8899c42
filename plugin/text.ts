/** Tables, lengths of time, and the same data as JSON or YAML. Pure. */
import { dump } from 'js-yaml';
import type { Output } from './arguments.ts';

/** Columns as wide as their widest cell. Rows are as long as the heading. */
export function table(heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heading, ...rows].map((row) => row.map(onOneLine));
  const widths = heading.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) => `${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd() + '\n')
    .join('');
}

/** What others have written moves no cursor and starts no line. */
export const onOneLine = (text: string): string => text.replace(/\p{Cc}+/gu, ' ');

/** The two longest units that say it: 3d4h, 5m10s, 12s. */
export function lengthOf(ms: number): string {
  const units = [
    [Math.floor(ms / 86_400_000), 'd'],
    [Math.floor(ms / 3_600_000) % 24, 'h'],
    [Math.floor(ms / 60_000) % 60, 'm'],
    [Math.floor(ms / 1_000) % 60, 's'],
  ] as const;
  const first = units.findIndex(([count]) => count > 0);
  if (first < 0) return '0s';
  return units
    .slice(first, first + 2)
    .flatMap(([count, unit]) => (count > 0 ? [`${count}${unit}`] : []))
    .join('');
}

export const plural = (count: number, one: string, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

/** Data as it is, or as `draw` has it for people. */
export function formatted(output: Output, data: object, draw: (isWide: boolean) => string): string {
  if (output === 'json') return `${JSON.stringify(data, null, 2)}\n`;
  if (output === 'yaml') return dump(JSON.parse(JSON.stringify(data)));
  return draw(output === 'wide');
}
