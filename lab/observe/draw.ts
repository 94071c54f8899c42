/**
 * The dashboards of a run as pictures, by headless Chromium:
 *
 *   node lab/observe/draw.ts FOLDER         FOLDER has the answers.json of a run; the pictures are written beside it
 *
 * There is no package of Grafana's server in Debian or npm, and its panels for npm (@grafana/scenes with its peers) are
 * 443 MB that install only against each other's peer ranges. So page.js lays the panels out as the JSON says and plots them
 * with uPlot, with which Grafana plots its own.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { exec } from '../host/exec.ts';
import type { Drawing } from './panels.ts';
import type { Span } from './prometheus.ts';

/** What a picture is drawn from. */
export interface Answers {
  readonly span: Span;
  readonly events: readonly { readonly at: number; readonly text: string }[];
  readonly drawings: readonly Drawing[];
}

/** Pixels, as in page.js. */
const WIDTH = 1000;
const UNIT_HEIGHT = 34;
const HEAD_HEIGHT = 92;

const chromiumArguments = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  ...['--hide-scrollbars', '--virtual-time-budget=10000'],
];

/** @returns the pictures' paths, by dashboard */
export async function draw(folder: string, { span, events, drawings }: Answers): Promise<Map<string, string>> {
  const uplot = path.dirname(createRequire(import.meta.url).resolve('uplot/dist/uPlot.iife.min.js'));
  const parts = await Promise.all([
    readFile(path.join(uplot, 'uPlot.min.css'), 'utf8'),
    readFile(path.join(uplot, 'uPlot.iife.min.js'), 'utf8'),
    readFile(path.join(import.meta.dirname, 'page.css'), 'utf8'),
    readFile(path.join(import.meta.dirname, 'page.js'), 'utf8'),
  ]);
  const [plotCss, plotJs, css, js] = parts as [string, string, string, string];
  const work = await mkdtemp(path.join(tmpdir(), 'herd-draw-'));
  const pictures = new Map<string, string>();
  try {
    for (const drawing of drawings) {
      const data = JSON.stringify({ span, events, drawing }).replaceAll('<', '\\u003c');
      const page = path.join(work, `${drawing.uid}.html`);
      await writeFile(
        page,
        `<!doctype html><meta charset="utf-8"><style>${plotCss}${css}</style><body><script>${plotJs}</script><script>const run = ${data};</script><script>${js}</script>`,
      );
      const rows = Math.max(...drawing.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
      const picture = path.resolve(folder, `${drawing.uid}.png`);
      await exec('chromium', [
        ...chromiumArguments,
        ...[`--user-data-dir=${work}/profile`, `--window-size=${WIDTH},${HEAD_HEIGHT + rows * UNIT_HEIGHT}`],
        ...[`--screenshot=${picture}`, pathToFileURL(page).href],
      ]);
      pictures.set(drawing.uid, picture);
    }
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return pictures;
}

if (import.meta.main) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error('usage: node lab/observe/draw.ts FOLDER');
  const text = await readFile(path.join(folder, 'answers.json'), 'utf8');
  for (const picture of (await draw(folder, JSON.parse(text) as Answers)).values()) console.log(picture);
}
