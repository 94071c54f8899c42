/** Helm, kubectl, the operator and its self-check as processes beside a control plane, with files of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exec } from '../../../lab/host/exec.ts';
import { type ControlPlane, eventually, freePort } from './control-plane.ts';

export const root = join(import.meta.dirname, '../../..');

export interface Tools {
  readonly folder: string;
  /** What makes kubectl and Helm the admin. */
  readonly env: { readonly HOME: string; readonly KUBECONFIG: string };
  /** As the admin. @throws with what kubectl said */
  kubectl(args: readonly string[], input?: string): Promise<string>;
  /** As the admin. @throws with what Helm said */
  helm(program: string, args: readonly string[]): Promise<string>;
  startOperator(): Promise<Operator>;
  /** As the account that it is given in a pod, which must be there. */
  selfcheck(operatorPort: number, namespace?: string): Promise<{ code: number; said: string[] }>;
  stop(): Promise<void>;
}

export interface Operator {
  readonly process: ChildProcess;
  readonly port: number;
  stop(): Promise<void>;
}

/** With an empty home, so that no setting of the machine's user is read or written. */
export async function toolsOf(plane: ControlPlane): Promise<Tools> {
  const folder = await mkdtemp(join(tmpdir(), 'herd-tools-'));
  const operators: Operator[] = [];
  const kubeconfig = async (name: string, token: string): Promise<string> => {
    const file = join(folder, name);
    const authority = Buffer.from(plane.tls.cert).toString('base64');
    const cluster = { server: `https://127.0.0.1:${plane.port}`, 'certificate-authority-data': authority };
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      clusters: [{ name: 'test', cluster }],
      users: [{ name: 'user', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'user' } }],
    };
    await writeFile(file, JSON.stringify(config));
    return file;
  };
  const { authorization } = await plane.adminCluster().headers(false);
  const env = { HOME: folder, KUBECONFIG: await kubeconfig('admin', authorization!.replace('Bearer ', '')) };
  return {
    folder,
    env,
    kubectl: (args, input) =>
      exec('kubectl', args, {
        env: { ...env, PATH: process.env.HERD_KUBERNETES_BIN },
        ...(input === undefined ? {} : { input }),
      }),
    helm: (program, args) => exec(program, args, { env }),
    async startOperator() {
      const port = await freePort();
      const args = ['operator/main.ts', '--port', String(port), '--kubeconfig', await plane.operatorKubeconfig()];
      const child = spawn(process.execPath, args, {
        cwd: root,
        env: { HERD_NODE_IMAGE: 'none', POD_NAMESPACE: 'herd-system', POD_NAME: `operator-${port}` },
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const exited = once(child, 'exit');
      const stop = async () => {
        child.kill('SIGKILL');
        await exited;
      };
      const operator = { process: child, port, stop };
      operators.push(operator);
      await eventually(async () => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok, 'a ready operator');
      return operator;
    },
    async selfcheck(operatorPort, namespace = 'herd-system') {
      const path = '/api/v1/namespaces/herd-system/serviceaccounts/herd-selfcheck/token';
      const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} };
      const { body } = await plane.raw('POST', path, request);
      const { token } = (body as { status: { token: string } }).status;
      const child = spawn(
        process.execPath,
        ['operator/selfcheck.ts', '--kubeconfig', await kubeconfig('selfcheck', token)],
        {
          cwd: root,
          env: {
            POD_NAMESPACE: namespace,
            HERD_OPERATOR_SERVICE_HOST: '127.0.0.1',
            HERD_OPERATOR_SERVICE_PORT: String(operatorPort),
          },
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      let said = '';
      child.stdout!.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
      const [code] = (await once(child, 'close')) as [number];
      return { code, said: said.trim().split('\n').sort() };
    },
    async stop() {
      await Promise.all(operators.map((operator) => operator.stop()));
      await rm(folder, { recursive: true });
    },
  };
}
