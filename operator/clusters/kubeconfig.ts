/**
 * A kubeconfig that came in a Secret → where the cluster is and how to prove who we are. Pure.
 * Upholds: whoever may write such a Secret gets nothing from it but requests to the server it names. A field that would
 * run a program, read a file of ours or believe any server is refused, as is every field that is not known here. What is
 * wrong is told by field, never by value. (The client library reads much more, and takes 90 MB to do so.)
 */
import { load } from 'js-yaml';
import { z } from 'zod';
import type { Cluster } from '../kube/cluster.ts';

/** A kubeconfig for one cluster has about 5 kB. */
const lengthMax = 65_536;
/** A kubeconfig is five deep. */
const limits = { maxDepth: 20, maxAliases: 0 };

const name = () => z.string().max(253);
/** Fields of kubeconfigs that people may have and that can be named, as what they wrote by mistake can't. */
const refused: ReadonlySet<string> = new Set([
  ...['as', 'as-groups', 'as-uid', 'as-user-extra', 'auth-provider', 'client-certificate', 'client-key', 'exec'],
  ...['certificate-authority', 'disable-compression', 'insecure-skip-tls-verify', 'password', 'proxy-url'],
  ...['tls-server-name', 'tokenFile', 'username'],
]);
/** kubectl puts notes there. */
const extensions = z.unknown().optional();
const base64 = () => z.base64().transform((text) => Buffer.from(text, 'base64').toString());

const ClusterOf = z.strictObject({
  server: z.string().regex(/^https:\/\/[^\s/?#@]+\/?$/, 'must be https://HOST:PORT'),
  'certificate-authority-data': base64().optional(),
  extensions,
});
const UserOf = z
  .strictObject({
    token: z
      .string()
      .regex(/^[\x21-\x7e]+$/, 'must be one word')
      .optional(),
    'client-certificate-data': base64().optional(),
    'client-key-data': base64().optional(),
    extensions,
  })
  .refine((user) => user.token !== undefined || user['client-key-data'] !== undefined, 'has no credential')
  .refine((user) => !user['client-certificate-data'] === !user['client-key-data'], 'certificate and key go together');
const Config = z.object({
  'current-context': name(),
  contexts: z.array(z.object({ name: name(), context: z.object({ cluster: name(), user: name() }) })),
  clusters: z.array(z.object({ name: name(), cluster: z.unknown() })),
  users: z.array(z.object({ name: name(), user: z.unknown() })),
});

export type KubeconfigRead = { readonly cluster: Cluster } | { readonly problems: readonly string[] };

/** Of the current context; what belongs to others is not looked at. */
export function readKubeconfig(text: string): KubeconfigRead {
  if (text.length > lengthMax) return { problems: [`is longer than ${lengthMax} characters`] };
  const config = Config.safeParse(parse(text));
  if (!config.success) return { problems: problemsOf(config.error) };
  const { contexts, clusters, users, 'current-context': current } = config.data;
  const context = contexts.find((one) => one.name === current)?.context;
  if (!context) return { problems: ['current-context: there is no such context'] };
  const cluster = ClusterOf.safeParse(clusters.find((one) => one.name === context.cluster)?.cluster);
  const user = UserOf.safeParse(users.find((one) => one.name === context.user)?.user);
  if (!cluster.success || !user.success)
    return { problems: [...problemsOf(cluster.error, 'cluster'), ...problemsOf(user.error, 'user')] };
  return { cluster: clusterOf(cluster.data, user.data) };
}

/** Undefined if it is not YAML: the parser's message would quote it. */
function parse(text: string): unknown {
  try {
    return load(text, limits);
  } catch {
    return undefined;
  }
}

function problemsOf(error: z.ZodError | undefined, ...at: string[]): string[] {
  return (error?.issues ?? []).map((issue) => {
    const path = [...at, ...issue.path].join('.') || 'kubeconfig';
    if (issue.code === 'unrecognized_keys')
      return issue.keys
        .map((key) => (refused.has(key) ? `${path}.${key}: is not taken` : `${path}: unknown field`))
        .join('; ');
    return `${path}: ${issue.message}`;
  });
}

function clusterOf(cluster: z.infer<typeof ClusterOf>, user: z.infer<typeof UserOf>): Cluster {
  const { 'certificate-authority-data': ca } = cluster;
  const { token, 'client-certificate-data': cert, 'client-key-data': key } = user;
  return {
    server: cluster.server.replace(/\/$/, ''),
    tls: { ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}) },
    headers: async () => (token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
}
