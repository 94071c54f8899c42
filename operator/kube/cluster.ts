/** Where a cluster is and how to prove who we are: in a pod from the mounted service account, outside from a kubeconfig. */
import { readFile } from 'node:fs/promises';
import { isIPv6 } from 'node:net';
import type { KubeConfig } from '@kubernetes/client-node';

export interface Cluster {
  readonly server: string;
  readonly tls: {
    readonly ca?: string;
    readonly cert?: string;
    readonly key?: string;
    readonly rejectUnauthorized?: boolean;
    /** By which name the server proves itself, where it is not that of its URL. */
    readonly servername?: string;
  };
  /**
   * Headers that authenticate a request, fresh enough to use.
   * @param anew the server refused the last ones: read the credential again, however fresh it seems
   */
  headers(anew: boolean): Promise<Record<string, string>>;
}

const serviceAccount = '/var/run/secrets/kubernetes.io/serviceaccount';
/** Bound tokens are renewed by the kubelet long before they end; client-go also rereads once a minute. */
const tokenAgeMsMax = 60_000;

/** @throws when this is not a pod */
export async function inCluster(env: Record<string, string | undefined>): Promise<Cluster> {
  const host = env.KUBERNETES_SERVICE_HOST;
  const port = env.KUBERNETES_SERVICE_PORT ?? '443';
  if (!host) throw new Error('KUBERNETES_SERVICE_HOST is not set: not in a pod, so --kubeconfig is needed');
  let token = '';
  let readAt = Number.NEGATIVE_INFINITY;
  return {
    server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
    tls: { ca: await readFile(`${serviceAccount}/ca.crt`, 'utf8') },
    async headers(anew) {
      if (anew || performance.now() - readAt > tokenAgeMsMax) {
        token = (await readFile(`${serviceAccount}/token`, 'utf8')).trim();
        readAt = performance.now();
      }
      return { authorization: `Bearer ${token}` };
    },
  };
}

/** The client library is loaded here only: it costs 90 MB of memory that a pod does not need. */
export async function fromKubeconfig(path: string): Promise<Cluster> {
  const { KubeConfig } = await import('@kubernetes/client-node');
  return clusterOf(() => {
    const loaded = new KubeConfig();
    loaded.loadFromFile(path);
    return loaded;
  }, path);
}

/**
 * The cluster of the current context, as the user of that context, whose credential may come from a program.
 * @param load reads all anew
 * @param what the configuration, in errors
 */
export async function clusterOf(load: () => KubeConfig, what: string): Promise<Cluster> {
  let config = load();
  const { server, proxyUrl } = config.getCurrentCluster() ?? {};
  if (!server) throw new Error(`${what}: the current context names no cluster`);
  if (proxyUrl) throw new Error(`${what}: proxy-url is not supported`);
  const read = async () => {
    const options: Parameters<typeof config.applyToHTTPSOptions>[0] = { headers: {} };
    await config.applyToHTTPSOptions(options);
    return options;
  };
  const { ca, cert, key, rejectUnauthorized, servername } = await read();
  return {
    server,
    tls: {
      ...(ca ? { ca: String(ca) } : {}),
      ...(cert ? { cert: String(cert) } : {}),
      ...(key ? { key: String(key) } : {}),
      ...(rejectUnauthorized === false ? { rejectUnauthorized } : {}),
      ...(servername ? { servername: String(servername) } : {}),
    },
    async headers(anew) {
      if (anew) config = load();
      const { headers, auth } = await read();
      const basic = auth ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
      return { ...basic, ...(headers as Record<string, string>) };
    },
  };
}
