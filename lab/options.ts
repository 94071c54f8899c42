import { parseArgs } from 'node:util';

/** What `npm start` was asked for. */
export interface Options {
  /** Tear down after the calls instead of staying up. */
  readonly once: boolean;
  /** Where to write the JSON report. */
  readonly report: string | undefined;
  /** A cluster of the user's; undefined: the local one. */
  readonly context: UserCluster | undefined;
}

export interface UserCluster {
  readonly name: string;
  /** References that the cluster can pull. */
  readonly nodeImage: string;
  readonly operatorImage: string;
}

export const USAGE = `usage: npm start -- [--once] [--report FILE.json]
       npm start -- --context NAME --node-image REF --operator-image REF [--once] [--report FILE.json]

  --once            run the twelve calls, tear down, exit 0 if all is well
  --report FILE     write the calls, versions and timings as JSON
  --context NAME    use the cluster of this kubeconfig context instead of a local one; its images are
                    built with nodes/Dockerfile and operator/Dockerfile and pushed where it can pull them`;

/** The options, or every problem with the arguments. */
export function parseOptions(args: readonly string[]): Options | { problems: string[] } {
  const { tokens } = parseArgs({ args: [...args], strict: false, tokens: true, allowPositionals: true });
  const values = new Map<string, string>();
  const problems: string[] = [];
  const known = { once: false, report: true, context: true, 'node-image': true, 'operator-image': true };
  for (let i = 0; i < tokens.length; i += 1) {
    const token = tokens[i]!;
    if (token.kind === 'positional') problems.push(`unexpected argument ${token.value}`);
    if (token.kind !== 'option') continue;
    const wantsValue = known[token.name as keyof typeof known];
    if (wantsValue === undefined) {
      problems.push(`unknown option ${token.rawName}`);
      continue;
    }
    if (values.has(token.name)) problems.push(`${token.rawName} is given twice`);
    if (!wantsValue) {
      if (token.value !== undefined) problems.push(`${token.rawName} takes no value`);
      values.set(token.name, '');
      continue;
    }
    let { value } = token;
    const next = tokens[i + 1];
    if (value === undefined && next?.kind === 'positional') {
      value = next.value;
      i += 1;
    }
    if (!value) problems.push(`${token.rawName} needs a value`);
    values.set(token.name, value ?? '');
  }
  const [name, nodeImage, operatorImage] = ['context', 'node-image', 'operator-image'].map((key) => values.get(key));
  if (name !== undefined) {
    if (!nodeImage) problems.push('--context needs --node-image: a reference that the cluster can pull');
    if (!operatorImage) problems.push('--context needs --operator-image: a reference that the cluster can pull');
  } else if (nodeImage !== undefined || operatorImage !== undefined) {
    problems.push('--node-image and --operator-image go with --context: the local cluster builds its own images');
  }
  if (problems.length > 0) return { problems };
  const context = name === undefined ? undefined : { name, nodeImage: nodeImage!, operatorImage: operatorImage! };
  return { once: values.has('once'), report: values.get('report'), context };
}
