/**
 * Which pods and Services there are, with the labels that Prometheus' own discovery in Kubernetes gives them: Debian builds
 * Prometheus without it, so the run writes them into files that it reads.
 */
import { rename, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1EndpointSlice, V1Pod } from '@kubernetes/client-node';
import type { Kubectl } from '../calls/client.ts';
import type { Run } from '../host/run.ts';
import { run as runKubectl } from '../kubernetes/kubectl.ts';

/** As in file_sd_configs. */
export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

const EVERY_MS = 5_000;
const meta = (name: string) => `__meta_kubernetes_${name}`;
const labelName = (text: string) => text.replace(/[^a-zA-Z0-9_]/g, '_');

const labelled = (kind: 'pod' | 'service', labels: Readonly<Record<string, string>> | undefined) =>
  Object.fromEntries(
    Object.entries(labels ?? {}).map(([name, value]) => [meta(`${kind}_label_${labelName(name)}`), value]),
  );

/** Of role `pod`: one for each port of a container. */
export function podTargets(pods: readonly V1Pod[]): TargetGroup[] {
  return pods.flatMap(({ metadata, spec, status }) =>
    (status?.podIP ? spec!.containers : []).flatMap(({ name, ports = [] }) =>
      ports.map(({ name: port, containerPort }) => ({
        targets: [`${status!.podIP}:${containerPort}`],
        labels: {
          ...labelled('pod', metadata!.labels),
          [meta('namespace')]: metadata!.namespace!,
          [meta('pod_name')]: metadata!.name!,
          [meta('pod_phase')]: status!.phase ?? '',
          [meta('pod_container_name')]: name,
          [meta('pod_container_port_name')]: port ?? '',
        },
      })),
    ),
  );
}

/** Of role `endpoints`; a slice bears its Service's labels. */
export function endpointTargets(slices: readonly V1EndpointSlice[]): TargetGroup[] {
  return slices.flatMap(({ metadata, endpoints, ports = [] }) =>
    (endpoints ?? []).flatMap(({ addresses, targetRef }) =>
      ports.map(({ name, port }) => ({
        targets: [`${addresses[0]}:${port}`],
        labels: {
          ...labelled('service', metadata!.labels),
          [meta('namespace')]: metadata!.namespace!,
          [meta('service_name')]: metadata!.labels!['kubernetes.io/service-name'] ?? '',
          [meta('endpoint_port_name')]: name ?? '',
          [meta('pod_name')]: targetRef?.name ?? '',
        },
      })),
    ),
  );
}

export interface TargetFiles {
  readonly pods: string;
  readonly endpoints: string;
}

/** Writes the files, and again and again until the run ends. */
export async function discover(run: Run, kubectl: Kubectl, files: TargetFiles): Promise<void> {
  const all = async <T>(kind: string): Promise<T[]> =>
    (JSON.parse(await runKubectl(kubectl, ['get', kind, '--all-namespaces', '-o', 'json'])) as { items: T[] }).items;
  const write = async (file: string, groups: readonly TargetGroup[]) => {
    // Prometheus must not read half of it.
    await writeFile(`${file}.new`, JSON.stringify(groups));
    await rename(`${file}.new`, file);
  };
  const once = async () => {
    await write(files.pods, podTargets(await all<V1Pod>('pods')));
    await write(files.endpoints, endpointTargets(await all<V1EndpointSlice>('endpointslices')));
  };
  await once();
  const again = async () => {
    while (!run.closed) {
      await sleep(EVERY_MS, undefined, { ref: false });
      // What Prometheus knows stays as it is, as when its own discovery gets no answer.
      await once().catch(() => {});
    }
  };
  void again();
}
