/** A real etcd, kube-apiserver and (when asked) kube-controller-manager on 127.0.0.1, in a temporary folder, gone after the test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { KubeClient } from '../../../operator/kube/client.ts';
import type { Cluster } from '../../../operator/kube/cluster.ts';

/** The folders that have kube-apiserver and kube-controller-manager, and etcd, separated by a colon; the suites skip without them. */
const foldersGiven = process.env.HERD_KUBERNETES_BIN?.split(':') ?? [];
export const skip =
  foldersGiven.length > 0
    ? false
    : 'HERD_KUBERNETES_BIN names no folders with etcd, kube-apiserver and kube-controller-manager';

const adminToken = 'admin-token';
const operatorToken = 'operator-token' satisfies HomeToken;
/**
 * The operator is known to the API server as its service account, so that the RBAC of install.ts is what it gets; and that
 * of another cluster as the account that it has in the namespace of support/samples.ts, by either of two tokens.
 */
const tokens = [
  `${adminToken},admin,admin,"system:masters"`,
  ...['home-token', 'next-home-token'].map(
    (token) => `${token},system:serviceaccount:herd:herd-home,herd-home,"system:serviceaccounts"`,
  ),
  `${operatorToken},system:serviceaccount:herd-system:herd-operator,herd-operator,"system:serviceaccounts"`,
].join('\n');

export interface ControlPlane {
  readonly admin: KubeClient;
  /** As the admin, at the server's port or that of a proxy in front of it. */
  adminCluster(port?: number): Cluster;
  readonly port: number;
  /** As the admin, what the operator's client can't ask; the answer's body as it came. */
  raw(
    method: 'DELETE' | 'PATCH' | 'POST' | 'PUT',
    path: string,
    body: object,
  ): Promise<{ code: number; body: unknown }>;
  /** Of etcd, the server and, if there are any, the controller manager and the scheduler. */
  readonly processIds: readonly number[];
  /** What the server proves itself with, for who wants to stand in for it. */
  readonly tls: { readonly cert: string; readonly key: string };
  /** The operator's view of the cluster, at the server's port or that of a proxy in front of it. */
  operatorCluster(port?: number): Cluster;
  /** What the operator of another cluster finds in a Secret: a kubeconfig of its account here. */
  homeKubeconfig(port: number, token: HomeToken): object;
  /** Path of a kubeconfig of the operator, at the server's port or that of a proxy in front of it. */
  operatorKubeconfig(port?: number): Promise<string>;
  homeCluster(token: HomeToken): Cluster;
  stop(): Promise<void>;
}

export type HomeToken = 'home-token' | 'next-home-token' | 'operator-token';

export interface ControlPlaneOptions {
  readonly controllers: boolean;
  /** Whether pods find their machines by Kubernetes' own scheduler; without it only as the test says. */
  readonly scheduler?: boolean;
  /** Where the programs are; by default where the environment says. */
  readonly folders?: readonly string[];
  /** Addresses of Services. */
  readonly serviceRange?: string;
}

export async function startControlPlane(options: ControlPlaneOptions): Promise<ControlPlane> {
  const { folders = foldersGiven, serviceRange = '10.96.0.0/16' } = options;
  const folder = await mkdtemp(join(tmpdir(), 'herd-kube-'));
  const processes: ChildProcess[] = [];
  const stop = async () => {
    for (const process of processes.reverse()) await end(process);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const run = (name: string, args: string[]) => {
      const child = spawn(name, args, {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: { ...process.env, PATH: folders.join(':') },
      });
      child.stderr!.pipe(createWriteStream(join(folder, `${name}.log`)));
      processes.push(child);
    };
    const [client, peer, port] = await Promise.all([freePort(), freePort(), freePort()]);
    run('etcd', etcdArgs(folder, client, peer));
    await writeFile(join(folder, 'tokens.csv'), `${tokens}\n`);
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    await writeFile(join(folder, 'sa.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }));
    run('kube-apiserver', apiserverArgs(folder, client, port, serviceRange));
    const ca = await eventually(() => readFile(join(folder, 'apiserver.crt'), 'utf8'), 'the server’s certificate');
    const cluster = (token: string, at = port): Cluster => ({
      server: `https://127.0.0.1:${at}`,
      tls: { ca },
      headers: async () => ({ authorization: `Bearer ${token}` }),
    });
    const admin = new KubeClient(cluster(adminToken));
    await eventually(
      () => admin.list({ group: '', version: 'v1', plural: 'namespaces', kind: 'Namespace' }),
      'the API server',
    );
    await writeFile(join(folder, 'kubeconfig'), kubeconfig(folder, port, adminToken));
    if (options.controllers) {
      run('kube-controller-manager', controllerArgs(folder));
    }
    if (options.scheduler) {
      run('kube-scheduler', [`--kubeconfig=${join(folder, 'kubeconfig')}`, '--leader-elect=false', '--secure-port=0']);
    }
    const agent = new Agent({ connect: { ca } });
    return {
      admin,
      port,
      async raw(method, path, content) {
        const { statusCode, body } = await request(`https://127.0.0.1:${port}${path}`, {
          method,
          dispatcher: agent,
          headers: { authorization: `Bearer ${adminToken}`, 'content-type': contentType(method) },
          body: JSON.stringify(content),
        });
        return { code: statusCode, body: await body.json() };
      },
      processIds: processes.map((process) => process.pid!),
      tls: { cert: ca, key: await readFile(join(folder, 'apiserver.key'), 'utf8') },
      async operatorKubeconfig(at = port) {
        const file = join(folder, `operator-kubeconfig-${at}`);
        await writeFile(file, kubeconfig(folder, at, operatorToken));
        return file;
      },
      homeKubeconfig: (at, token) => ({
        'current-context': 'west',
        clusters: [
          {
            name: 'west',
            cluster: {
              server: `https://127.0.0.1:${at}`,
              'certificate-authority-data': Buffer.from(ca).toString('base64'),
            },
          },
        ],
        users: [{ name: 'home', user: { token } }],
        contexts: [{ name: 'west', context: { cluster: 'west', user: 'home' } }],
      }),
      homeCluster: (token) => cluster(token),
      adminCluster: (at) => cluster(adminToken, at),
      operatorCluster: (at) => cluster(operatorToken, at),
      async stop() {
        await Promise.all([admin.close(), agent.destroy()]);
        await stop();
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

const contentType = (method: string) => (method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json');

const etcdArgs = (folder: string, client: number, peer: number) => [
  `--data-dir=${join(folder, 'etcd')}`,
  `--listen-client-urls=http://127.0.0.1:${client}`,
  `--advertise-client-urls=http://127.0.0.1:${client}`,
  `--listen-peer-urls=http://127.0.0.1:${peer}`,
  '--unsafe-no-fsync',
];

const apiserverArgs = (folder: string, etcd: number, port: number, serviceRange: string) => [
  `--etcd-servers=http://127.0.0.1:${etcd}`,
  '--bind-address=127.0.0.1',
  `--secure-port=${port}`,
  `--cert-dir=${folder}`,
  `--token-auth-file=${join(folder, 'tokens.csv')}`,
  '--authorization-mode=RBAC',
  '--allow-privileged', // As clusters that people run: what else would refuse it is to be seen.
  '--disable-admission-plugins=ServiceAccount',
  `--service-cluster-ip-range=${serviceRange}`,
  '--service-account-issuer=https://kubernetes.default.svc',
  `--service-account-key-file=${join(folder, 'sa.key')}`,
  `--service-account-signing-key-file=${join(folder, 'sa.key')}`,
];

const controllerArgs = (folder: string) => [
  `--kubeconfig=${join(folder, 'kubeconfig')}`,
  // The statefulset controller stays off: the test plays it, and pods.
  '--controllers=garbage-collector-controller',
  '--leader-elect=false',
  // Some suites delete in a second what people delete in a day.
  '--kube-api-qps=200',
  '--kube-api-burst=400',
  '--secure-port=0',
];

const kubeconfig = (folder: string, port: number, token: string) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'test',
    clusters: [
      {
        name: 'test',
        cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority': join(folder, 'apiserver.crt') },
      },
    ],
    users: [{ name: 'user', user: { token } }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'user' } }],
  });

async function end(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return;
  const exited = once(process, 'exit');
  process.kill('SIGTERM');
  const timer = setTimeout(() => process.kill('SIGKILL'), 5_000);
  await exited;
  clearTimeout(timer);
}

/**
 * A port of 127.0.0.1 that nobody listens on, below those that the kernel gives to connections: whoever is to listen there
 * may take seconds to begin. Of several that are asked for together no two are the same.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const server = createServer();
    const port = randomInt(20_000, 30_000);
    const taken = once(server.listen(port, '127.0.0.1'), 'listening').then(
      () => false,
      () => true,
    );
    if (await taken) continue;
    await new Promise((resolve) => setTimeout(resolve, 10));
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
  throw new Error('no free port of 127.0.0.1 from 20000 to 29999');
}

/** Tries until it neither throws nor answers undefined or false. @throws the last error after 30 s */
export async function eventually<T>(
  attempt: () => Promise<T | false | undefined> | T | false | undefined,
  what: string,
  timeoutMs = 30_000,
): Promise<T> {
  const until = performance.now() + timeoutMs;
  for (;;) {
    let last: unknown;
    try {
      const result = await attempt();
      if (result !== undefined && result !== false) return result;
    } catch (error) {
      last = error;
    }
    if (performance.now() > until)
      throw new Error(`${what} did not come within ${timeoutMs / 1000} s`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
