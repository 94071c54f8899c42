import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createCgroup } from '../host/cgroups.ts';
import type { Machine } from '../host/machine.ts';
import type { Run } from '../host/run.ts';
import { podSupernet } from '../wan/addresses.ts';
import type { Region } from '../wan/network.ts';
import type { Binaries } from './build.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import type { Authority } from './pki.ts';

/** Starts kubelet and kube-proxy on a node's machine whose containerd runs and has the pause image. */
export async function startKubelet(
  run: Run,
  machine: Machine,
  region: Region,
  binaries: Binaries,
  authority: Authority,
  server: string,
): Promise<void> {
  const name = region.name;
  const directory = path.join(run.directory, machine.name);
  const cgroup = `${run.name}-${name}`;
  await createCgroup(cgroup);
  const [node, proxy] = await run.all([
    authority.issue(`node-${name}`, { user: `system:node:${name}`, group: 'system:nodes', addresses: [region.node] }),
    authority.issue(`proxy-${name}`, { user: 'system:kube-proxy' }),
  ]);
  const kubeletKubeconfig = path.join(directory, 'kubelet.kubeconfig');
  const proxyKubeconfig = path.join(directory, 'proxy.kubeconfig');
  await writeKubeconfig(kubeletKubeconfig, server, authority.certificate, node);
  await writeKubeconfig(proxyKubeconfig, server, authority.certificate, proxy);
  const resolvConf = path.join(directory, 'resolv.conf');
  await writeFile(resolvConf, ''); // No DNS in the lab, and the machine's own is none of the pods' business.

  const kubeletConfig = path.join(directory, 'kubelet.json');
  const kubelet = {
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    containerRuntimeEndpoint: 'unix:///run/containerd/containerd.sock',
    authentication: {
      anonymous: { enabled: false },
      webhook: { enabled: true },
      x509: { clientCAFile: authority.certificate },
    },
    authorization: { mode: 'Webhook' },
    tlsCertFile: node.certificate,
    tlsPrivateKeyFile: node.key,
    cgroupDriver: 'cgroupfs',
    cpuCFSQuota: false, // Every kubelet believes that all of this machine's processors are its own: there is nothing to be held to.
    cgroupRoot: `/${cgroup}`, // Several kubelets share this machine's cgroups.
    failCgroupV1: false,
    failSwapOn: false,
    oomScoreAdj: 0, // Less needs a capability that containers and small virtual machines lack.
    makeIPTablesUtilChains: false,
    volumePluginDir: '/var/lib/kubelet/volume-plugins', // The default is in /usr, outside the run.
    resolvConf,
    nodeStatusUpdateFrequency: '3s',
    imageGCHighThresholdPercent: 100, // Never: an image that is gone could not be pulled again.
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
  };
  await writeFile(kubeletConfig, JSON.stringify(kubelet, null, 2));
  const proxyConfig = path.join(directory, 'proxy.json');
  const kubeProxy = {
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'nftables',
    clientConnection: { kubeconfig: proxyKubeconfig },
    clusterCIDR: podSupernet,
    hostnameOverride: name,
    oomScoreAdj: 0,
    // 0 leaves the machine's connection tracking limits alone.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  };
  await writeFile(proxyConfig, JSON.stringify(kubeProxy, null, 2));
  await machine.start('kubelet', [
    binaries.path('kubelet'),
    `--config=${kubeletConfig}`,
    `--kubeconfig=${kubeletKubeconfig}`,
    `--hostname-override=${name}`,
    `--node-ip=${region.node}`,
    `--node-labels=topology.kubernetes.io/region=${name}`,
  ]);
  await machine.start('kube-proxy', [binaries.path('kube-proxy'), `--config=${proxyConfig}`]);
}
