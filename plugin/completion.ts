/** The words typed so far → what may come next. Pure; the cluster is asked by who is told what to look for. */
import { type Noun, nameOf, type OptionName, options, optionsOf, type Verb, verbIn, verbs } from './arguments.ts';

export type Next =
  | { readonly kind: 'words'; readonly words: readonly string[] }
  | { readonly kind: 'files' }
  | { readonly kind: 'contexts' }
  | { readonly kind: 'machines' }
  | { readonly kind: 'namespaces' }
  | { readonly kind: 'names'; readonly noun: Noun };

export interface Typed {
  readonly next: Next;
  /** Values of the options that say where to look. */
  readonly given: Partial<Record<OptionName, string>>;
}

/** @param words the last one is being typed, and may be empty */
export function typed(words: readonly string[]): Typed {
  const given: Partial<Record<OptionName, string>> = {};
  const plain: string[] = [];
  let open: OptionName | undefined;
  for (const word of words.slice(0, -1)) {
    const [, name, value] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [undefined, longOf(word), undefined];
    if (open) {
      given[open] = word;
      open = undefined;
    } else if (name === undefined) plain.push(word);
    else if (name in options && 'value' in options[name as OptionName] && value === undefined)
      open = name as OptionName;
    else if (name in options) given[name as OptionName] = value ?? '';
  }
  const last = words.at(-1) ?? '';
  if (open) return { next: afterOption(open), given };
  const { verb, names } = verbIn(plain);
  if (last.startsWith('-')) return { next: { kind: 'words', words: longOptions(verb) }, given };
  if (!verb) return { next: { kind: 'words', words: verbWords(plain) }, given };
  const noun = nameOf(verb)?.replace(/[[\]]/g, '') as Noun | undefined;
  return { next: noun && names.length === 0 ? { kind: 'names', noun } : { kind: 'words', words: [] }, given };
}

const longOf = (word: string) =>
  Object.entries(options).find(([, option]) => 'short' in option && `-${option.short}` === word)?.[0];

const longOptions = (verb: Verb | undefined) =>
  (verb ? optionsOf(verb) : (['help'] as const)).map((name) => `--${name}`);

/** Verbs are of one word or two. */
function verbWords(before: readonly string[]): string[] {
  const next = Object.keys(verbs).flatMap((verb) => {
    const parts = verb.split(' ');
    return before.every((word, i) => parts[i] === word) ? [parts[before.length]] : [];
  });
  return [...new Set(next.filter((word) => word !== undefined))].sort();
}

function afterOption(option: OptionName): Next {
  if (option === 'context') return { kind: 'contexts' };
  if (option === 'machine') return { kind: 'machines' };
  if (option === 'namespace') return { kind: 'namespaces' };
  if (option === 'output') return { kind: 'words', words: options.output.value.split('|') };
  return { kind: 'files' };
}
