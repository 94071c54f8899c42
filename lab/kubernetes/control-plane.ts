import path from 'node:path';
import type { Machine } from '../host/machine.ts';
import type { Run } from '../host/run.ts';
import { waitFor } from '../host/wait.ts';
import { apiServiceAddress, controlPlane, serviceSubnet } from '../wan/addresses.ts';
import { Api } from './api.ts';
import type { Binaries } from './build.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { type Authority, createServiceAccountKey } from './pki.ts';

export interface ControlPlane {
  api: Api;
  /** For the machine's own network; the user and the lab are cluster administrators. */
  kubeconfigPath: string;
  /** URL for the nodes. */
  nodeServer: string;
  faults: ControlPlaneFaults;
}

/** What may happen to a control plane. */
export interface ControlPlaneFaults {
  /** The API server does not answer, and nobody is told that it is gone. */
  pauseApiServer(): void;
  resumeApiServer(): void;
  /** It is killed and another one started, to which all history is unknown: who watches from a version is told 410. */
  restartApiServer(): Promise<void>;
}

/**
 * Starts etcd, API server, controller manager and scheduler on `machine`; returns when the API server is ready and the
 * other two are started.
 * @param address where the machine's own network reaches the API server
 */
export async function startControlPlane(
  run: Run,
  machine: Machine,
  binaries: Binaries,
  authority: Authority,
  address: string,
): Promise<ControlPlane> {
  const keys = path.dirname(authority.certificate);
  const nodeServer = `https://${controlPlane.host}:6443`;
  const userServer = `https://${address}:6443`;
  const [serving, kubeletClient, admin, controllerManager, scheduler, accounts] = await run.all([
    authority.issue('apiserver', {
      user: 'kube-apiserver',
      addresses: [apiServiceAddress, controlPlane.host, address, '127.0.0.1'],
      names: ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc'],
    }),
    authority.issue('kubelet-client', { user: 'kube-apiserver-kubelet-client', group: 'system:masters' }),
    authority.issue('admin', { user: 'herd-admin', group: 'system:masters' }),
    authority.issue('controller-manager', { user: 'system:kube-controller-manager' }),
    authority.issue('scheduler', { user: 'system:kube-scheduler' }),
    createServiceAccountKey(keys),
  ]);
  const kubeconfigPath = path.join(run.directory, 'kubeconfig');
  const managerConfig = path.join(keys, 'controller-manager.kubeconfig');
  const schedulerConfig = path.join(keys, 'scheduler.kubeconfig');
  await run.all([
    writeKubeconfig(kubeconfigPath, userServer, authority.certificate, admin),
    writeKubeconfig(managerConfig, nodeServer, authority.certificate, controllerManager),
    writeKubeconfig(schedulerConfig, nodeServer, authority.certificate, scheduler),
  ]);

  await machine.start('etcd', [
    binaries.path('etcd'),
    '--data-dir=/var/lib/etcd',
    '--listen-client-urls=http://127.0.0.1:2379', // Loopback of a namespace that nothing else is in.
    '--advertise-client-urls=http://127.0.0.1:2379',
    '--listen-peer-urls=http://127.0.0.1:2380',
    '--unsafe-no-fsync', // The data goes with the run.
  ]);
  const apiServerCommand = [
    binaries.path('kube-apiserver'),
    '--etcd-servers=http://127.0.0.1:2379',
    `--advertise-address=${controlPlane.host}`,
    `--service-cluster-ip-range=${serviceSubnet}`,
    `--tls-cert-file=${serving.certificate}`,
    `--tls-private-key-file=${serving.key}`,
    `--client-ca-file=${authority.certificate}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    `--kubelet-certificate-authority=${authority.certificate}`,
    `--kubelet-client-certificate=${kubeletClient.certificate}`,
    `--kubelet-client-key=${kubeletClient.key}`,
    '--kubelet-preferred-address-types=InternalIP', // There is no DNS to look a node's name up in.
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${accounts.publicKey}`,
    `--service-account-signing-key-file=${accounts.privateKey}`,
    '--default-not-ready-toleration-seconds=8',
    '--default-unreachable-toleration-seconds=8',
  ];
  let apiServer = await machine.start('kube-apiserver', apiServerCommand);
  const api = await Api.open(userServer, authority.certificate, admin);
  await waitFor(run, 'the API server', 60_000, () => api.get('/readyz'));

  await machine.start('kube-controller-manager', [
    binaries.path('kube-controller-manager'),
    `--kubeconfig=${managerConfig}`,
    '--bind-address=127.0.0.1',
    '--cert-dir=/var/lib/kube-controller-manager',
    `--root-ca-file=${authority.certificate}`,
    `--service-account-private-key-file=${accounts.privateKey}`,
    '--flex-volume-plugin-dir=/var/lib/kube-controller-manager/volume-plugins', // The default is in /usr, outside the run.
    '--use-service-account-credentials=true',
    '--leader-elect=false',
    '--node-monitor-period=2s',
    '--node-monitor-grace-period=12s', // A lost region shows within seconds instead of the default 50.
  ]);
  await machine.start('kube-scheduler', [
    binaries.path('kube-scheduler'),
    `--kubeconfig=${schedulerConfig}`,
    '--bind-address=127.0.0.1',
    '--cert-dir=/var/lib/kube-scheduler',
    '--leader-elect=false',
  ]);
  const faults: ControlPlaneFaults = {
    pauseApiServer: () => apiServer.signal('SIGSTOP'),
    resumeApiServer: () => apiServer.signal('SIGCONT'),
    async restartApiServer() {
      await machine.exec(process.execPath, ['--eval', forgetHistory]);
      await apiServer.end();
      apiServer = await machine.start('kube-apiserver', apiServerCommand);
      await waitFor(run, 'the API server', 60_000, () => api.get('/readyz'));
    },
  };
  return { api, kubeconfigPath, nodeServer, faults };
}

/** etcd's gateway takes JSON: the revision that it is at becomes the first that it knows. */
const forgetHistory = `(async () => {
  const ask = async (what, body) => {
    const answer = await fetch('http://127.0.0.1:2379/v3/kv/' + what, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(what + ': ' + await answer.text());
    return answer.json();
  };
  const { header } = await ask('range', { key: Buffer.from('/').toString('base64') });
  await ask('compaction', { revision: header.revision, physical: true });
})()`;
