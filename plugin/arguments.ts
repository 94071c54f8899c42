/** The words of a command line → what is asked for, or everything that is wrong with them. Pure. */
import { parseArgs } from 'node:util';

export type Output = 'json' | 'table' | 'wide' | 'yaml';
const outputs: readonly string[] = ['json', 'table', 'wide', 'yaml'] satisfies Output[];

/** What a word on the command line names: completion looks for those in the cluster. */
export type Noun = 'SLOT' | 'SUPERPEER' | 'ZONE' | 'ZONE|SLOT';

interface VerbOf {
  readonly says: string;
  /** The one name after the verb, if it takes one; in brackets it may be left out. */
  readonly name?: Noun | `[${Noun}]`;
  readonly options: readonly OptionName[];
}

interface OptionOf {
  readonly short?: string;
  /** What its value is; without it takes none. */
  readonly value?: string;
  readonly says: string;
}

export const options = {
  context: { value: 'NAME', says: 'The context of the kubeconfig to use.' },
  kubeconfig: { value: 'FILE', says: 'Instead of those in KUBECONFIG, or ~/.kube/config.' },
  namespace: { short: 'n', value: 'NAME', says: 'Instead of the context’s.' },
  'all-namespaces': { short: 'A', says: 'In all namespaces.' },
  output: { short: 'o', value: 'json|table|wide|yaml', says: 'How to print; a table if it is not said.' },
  machine: { value: 'NODE', says: 'All slots on this Kubernetes node.' },
  file: { short: 'f', value: 'FILE', says: 'What is read, or written; - is the standard input or output.' },
  yes: { short: 'y', says: 'Do it without asking.' },
  help: { short: 'h', says: 'This text.' },
} as const satisfies Record<string, OptionOf>;
export type OptionName = keyof typeof options;

/** For every verb. */
const always = ['context', 'kubeconfig', 'namespace', 'help'] as const satisfies readonly OptionName[];

export const verbs = {
  status: {
    says: 'What is wrong, and how zones, their slots and superpeers are.',
    name: '[ZONE]',
    options: ['all-namespaces', 'output'],
  },
  topology: {
    says: 'Regions, roles and machines of zones, and the links between zones.',
    name: '[ZONE]',
    options: ['all-namespaces', 'output'],
  },
  verify: {
    says: 'Looks whether a running zone does what it should, check by check.',
    name: '[ZONE]',
    options: ['all-namespaces', 'output'],
  },
  plan: {
    says: 'What the operator will do when the Zones and Superpeers in a file are applied.',
    options: ['file', 'output'],
  },
  drain: {
    says: 'Lets calls leave a slot, or all slots of a machine, and keeps new ones away until undrain.',
    name: '[SLOT]',
    options: ['machine', 'yes'],
  },
  undrain: { says: 'Takes drained slots back into use.', name: '[SLOT]', options: ['machine', 'yes'] },
  rotate: {
    says: 'New keys for a node, or for all nodes of a zone and its directory.',
    name: 'ZONE|SLOT',
    options: ['yes'],
  },
  pause: { says: 'The operator leaves what belongs to a zone as it is.', name: 'ZONE', options: ['yes'] },
  resume: { says: 'The operator goes on with a zone.', name: 'ZONE', options: ['yes'] },
  'superpeer approve': {
    says: 'Admits a superpeer that somebody else runs.',
    name: 'SUPERPEER',
    options: ['yes'],
  },
  'superpeer quarantine': {
    says: 'Takes a superpeer that somebody else runs out of the zone.',
    name: 'SUPERPEER',
    options: ['yes'],
  },
  'superpeer readmit': {
    says: 'Forgives what a mix has found of a superpeer.',
    name: 'SUPERPEER',
    options: ['yes'],
  },
  'superpeer receipts': {
    says: 'What a superpeer has carried, and what is owed for it.',
    name: 'SUPERPEER',
    options: ['output'],
  },
  report: {
    says: 'Writes a file for those who help: resources, events and logs, without keys and addresses.',
    options: ['all-namespaces', 'file'],
  },
} as const satisfies Record<string, VerbOf>;
export type Verb = keyof typeof verbs;

export interface Command {
  readonly verb: Verb;
  readonly name: string | undefined;
  readonly context: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly namespace: string | undefined;
  readonly allNamespaces: boolean;
  readonly output: Output;
  readonly machine: string | undefined;
  readonly file: string | undefined;
  readonly yes: boolean;
}

export type Parsed =
  | { readonly command: Command }
  | { readonly help: Verb | undefined }
  | { readonly problems: readonly string[] };

const isVerb = (text: string): text is Verb => Object.hasOwn(verbs, text);
const isOption = (text: string): text is OptionName => Object.hasOwn(options, text);
const takesValue = (name: OptionName) => 'value' in options[name];
export const nameOf = (verb: Verb): `[${Noun}]` | Noun | undefined => (verbs[verb] as VerbOf).name;
export const optionsOf = (verb: Verb): readonly OptionName[] => [...verbs[verb].options, ...always];

const isLabel = (text: string) => text.length <= 253 && /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text);
/** A name may say of what it is, where the same name may be one of either. */
const isQualified = (text: string) => isLabel(text.replace(/^(zone|slot)\//, ''));

export function parseArguments(argv: readonly string[]): Parsed {
  const { tokens } = parseArgs({
    args: [...argv],
    options: Object.fromEntries(
      Object.entries(options).map(([name, { short, value }]: [string, OptionOf]) => [
        name,
        { type: value ? ('string' as const) : ('boolean' as const), ...(short ? { short } : {}) },
      ]),
    ),
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
  const problems: string[] = [];
  const words = tokens.flatMap((token) => (token.kind === 'positional' ? [token.value] : []));
  const given = new Map<OptionName, string>();
  const { verb, names } = verbIn(words);
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    if (!isOption(name)) problems.push(`${rawName}: no such option`);
    else if (verb && !optionsOf(verb).includes(name)) problems.push(`${rawName}: not an option of ${verb}`);
    else if (given.has(name)) problems.push(`${rawName}: given twice`);
    else if (!takesValue(name) && value !== undefined) problems.push(`${rawName}: takes no value`);
    else if (takesValue(name) && (!value || /^-./.test(value))) problems.push(`${rawName}: needs a value`);
    if (isOption(name)) given.set(name, value ?? '');
  }
  if (given.has('help')) return { help: verb };
  if (!verb) problems.push(words.length === 0 ? 'no verb' : `${words.slice(0, 2).join(' ')}: no such verb`);
  else problems.push(...problemsOf(verb, names, given));
  if (problems.length > 0 || !verb) return { problems };
  return {
    command: {
      verb,
      name: names[0],
      context: given.get('context'),
      kubeconfig: given.get('kubeconfig'),
      namespace: given.get('namespace'),
      allNamespaces: given.has('all-namespaces'),
      output: (given.get('output') ?? 'table') as Output,
      machine: given.get('machine'),
      file: given.get('file'),
      yes: given.has('yes'),
    },
  };
}

/** Of one word or two. */
export function verbIn(words: readonly string[]): { verb: Verb | undefined; names: readonly string[] } {
  for (const length of [2, 1]) {
    const verb = words.slice(0, length).join(' ');
    if (isVerb(verb)) return { verb, names: words.slice(length) };
  }
  return { verb: undefined, names: [] };
}

function problemsOf(verb: Verb, names: readonly string[], given: ReadonlyMap<OptionName, string>): string[] {
  const noun = nameOf(verb);
  const [name, ...others] = names;
  const problems = (noun ? others : names).map((word) => `${word}: one word too many for ${verb}`);
  if (noun && !noun.startsWith('[') && name === undefined) problems.push(`${noun}: missing, ${verb} needs one`);
  const isName = verb === 'rotate' ? isQualified : isLabel;
  if (noun && name !== undefined && !isName(name)) problems.push(`${name}: no name of a ${noun.replace(/[[\]]/g, '')}`);
  for (const option of ['namespace', 'machine'] as const) {
    const value = given.get(option);
    if (value && !isLabel(value)) problems.push(`--${option} ${value}: no name`);
  }
  const output = given.get('output');
  if (output && !outputs.includes(output)) problems.push(`--output ${output}: must be ${outputs.join(', ')}`);
  if (given.has('namespace') && given.has('all-namespaces'))
    problems.push('--namespace, --all-namespaces: one of them');
  if (verb === 'plan' && !given.has('file')) problems.push('--file: missing, plan needs one');
  if (verb === 'drain' || verb === 'undrain') {
    if (name !== undefined && given.has('machine')) problems.push('SLOT, --machine: one of them');
    if (name === undefined && !given.has('machine')) problems.push('SLOT: missing, or --machine');
  }
  return problems;
}

export function usage(verb?: Verb): string {
  if (verb) {
    const described = optionsOf(verb).map((name) => [optionText(name), options[name].says] as const);
    return `usage: ${line(verb)}\n\n${verbs[verb].says}\n\n${columns(described)}`;
  }
  const all = Object.keys(verbs).filter(isVerb);
  const described = all.map((each) => [[each, nameOf(each)].filter(Boolean).join(' '), verbs[each].says] as const);
  return `usage: kubectl herd VERB [OPTION]...\n\n${columns(described)}\nkubectl herd VERB --help tells of its options.\n`;
}

const line = (verb: Verb) => ['kubectl herd', verb, nameOf(verb), '[OPTION]...'].filter(Boolean).join(' ');

function optionText(name: OptionName): string {
  const { short, value }: OptionOf = options[name];
  return `${short ? `-${short}, ` : '    '}--${name}${value ? ` ${value}` : ''}`;
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([first]) => first.length));
  return rows.map(([first, second]) => `  ${first.padEnd(width)}  ${second}\n`).join('');
}
