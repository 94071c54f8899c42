/** What the operator is told by its environment and flags. All problems are found at once; with any, it does not start. */
import { parseArgs } from 'node:util';

/** Who holds it leads. */
export const leaseName = 'herd-operator';

export interface OperatorConfig {
  /** The image that all nodes run. */
  readonly nodeImage: string;
  /** Namespaces to watch; empty: all. */
  readonly namespaces: readonly string[];
  /** Where the lease is. */
  readonly ownNamespace: string;
  readonly instance: string;
  readonly port: number;
  /** undefined: in a pod, by its service account. */
  readonly kubeconfig: string | undefined;
}

/** @throws naming every missing or malformed setting */
export function readConfig(argv: readonly string[], env: Record<string, string | undefined>): OperatorConfig {
  const { values } = parseArgs({
    args: [...argv],
    options: { kubeconfig: { type: 'string' }, port: { type: 'string', default: '9100' } },
  });
  const problems: string[] = [];
  const need = (name: string, what: string) => {
    if (!env[name]) problems.push(`${name} is not set (${what})`);
    return env[name] ?? '';
  };
  const nodeImage = need('HERD_NODE_IMAGE', 'the image that nodes run');
  const ownNamespace = need('POD_NAMESPACE', 'where the lease is kept');
  const instance = need('POD_NAME', 'who holds the lease');
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) problems.push(`--port ${values.port} is not a port`);
  const namespaces = (env.HERD_NAMESPACES ?? '').split(',').filter((n) => n !== '');
  for (const n of namespaces)
    if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(n)) problems.push(`HERD_NAMESPACES: ${n} is no namespace`);
  if (problems.length > 0) throw new Error(problems.join('; '));
  return { nodeImage, namespaces, ownNamespace, instance, port, kubeconfig: values.kubeconfig };
}
