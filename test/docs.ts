/** The pages of docs/ as tests read them: fenced blocks, commands, links, names of files. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.join(import.meta.dirname, '..');

export interface Block {
  readonly language: string;
  readonly text: string;
  /** Of its first line, for messages. */
  readonly line: number;
}

/** Written by people, in docs/ itself: reference, metrics and runbooks have tests of their own. */
export const pages = globSync('docs/*.md', { cwd: root })
  .filter((page) => page !== 'docs/metrics.md')
  .sort();

/** Those that test/kube/docs.test.ts plays, in that order: what one makes the next has. */
export const playedPages = ['docs/quickstart.md', 'docs/superpeer-host.md', 'docs/operations.md'];

export const runbooks = globSync('docs/runbooks/Herd*.md', { cwd: root }).sort();

export const readPage = (page: string) => readFileSync(path.join(root, page), 'utf8');

export function blocksOf(text: string): Block[] {
  return [...text.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map((match) => ({
    language: match[1]!,
    text: match[2]!,
    line: text.slice(0, match.index).split('\n').length + 1,
  }));
}

/** The file under which a reader saves a manifest, if the page says one. */
export const fileOf = ({ text }: Block): string | undefined => /^# (\S+\.yaml)\n/.exec(text)?.[1];

/** Commands of a block, those of a pipe one by one, in words. What is between quotes is a word, a $(command) a command. */
export function commandsOf({ text }: Block): string[][] {
  const substitution = /\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)/g;
  const inner = [...text.matchAll(substitution)].map((match) => match[1]!);
  const outer = text.replaceAll('\\\n', ' ').replaceAll(substitution, 'x').trimEnd();
  const lines = [...outer.split('\n'), ...inner];
  return lines.flatMap((line) => {
    const commands: string[][] = [[]];
    for (const [word] of line.matchAll(/\||(?:[^\s|'"]|'[^']*'|"[^"]*")+/g)) {
      if (word === '|') commands.push([]);
      // What is set before a command is none of it.
      else if (commands.at(-1)!.length > 0 || !/^\w+=/.test(word)) commands.at(-1)!.push(word.replaceAll(/['"]/g, ''));
    }
    return commands.filter((words) => words.length > 0);
  });
}

/** Where the links of a page lead, as a path from the root and a heading, that is none if it is empty. */
export function linksOf(page: string, text: string): { file: string; heading: string; link: string }[] {
  const prose = text.replaceAll(/^```[\s\S]*?^```$/gm, '').replaceAll(/`[^`\n]*`/g, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link]) => {
    if (/^[a-z]+:/.test(link!)) return [];
    const [target, heading = ''] = link!.split('#') as [string, string?];
    return [{ file: target === '' ? page : path.join(path.dirname(page), target), heading, link: link! }];
  });
}

/** As what shows Markdown makes them of headings. */
export const headingsOf = (text: string) =>
  [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

/** Everything that is wrong with where a page leads. */
export function brokenLinks(page: string, text: string): string[] {
  return linksOf(page, text).flatMap(({ file, heading, link }) => {
    if (!existsSync(path.join(root, file))) return [`${page}: ${link} leads nowhere`];
    if (heading === '') return [];
    const target = file === page ? text : readPage(file);
    return headingsOf(target).includes(heading) ? [] : [`${page}: ${link} names a heading that is not there`];
  });
}
