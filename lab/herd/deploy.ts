import { setTimeout as sleep } from 'node:timers/promises';
import { installObjects } from '../../operator/install.ts';
import type { ClientPod, Kubectl } from '../calls/client.ts';
import type { Progress, Step } from '../host/progress.ts';
import { run } from '../kubernetes/kubectl.ts';
import {
  CLIENT_CONTAINER,
  clientObjects,
  ECHO_CONTAINER,
  ECHO_PORT,
  herdObjects,
  NAMESPACE,
  namespaceObject,
  type Regions,
  ZONES,
  type ZoneAccess,
} from './resources.ts';

/** Installs the operator, applies the zones, superpeers and clients, and waits until the clients are attached. */
const READY_TIMEOUT_MS = 180_000;
const POLL_MS = 500;

export interface Deployment {
  readonly kubectl: Kubectl;
  readonly images: { readonly node: string; readonly operator: string };
  readonly progress: Progress;
  /** Throws when the run is being stopped. */
  readonly check: () => void;
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly message?: string;
}
export interface Item {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly generation?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
    readonly rootKey?: string;
    readonly directoryURL?: string;
    readonly podIP?: string;
  };
}

export async function deploy(deployment: Deployment & { readonly regions: Regions }): Promise<ClientPod[]> {
  const { kubectl, images, regions, progress } = deployment;
  await installOperator(deployment);
  await apply(kubectl, [namespaceObject()]);
  await apply(kubectl, herdObjects(regions));
  await progress.step('Zones publish their keys and directories', async (step) => {
    const access = await until(deployment, step, async () => {
      const zones = (await list(kubectl, 'zones')).flatMap(({ metadata, status }): ZoneAccess[] =>
        status?.rootKey && status.directoryURL
          ? [{ zone: metadata.name, rootKey: status.rootKey, directoryURL: status.directoryURL }]
          : [],
      );
      step.detail(`${zones.length} of ${ZONES.length}`);
      return zones.length === ZONES.length ? zones : undefined;
    });
    for (const zone of access) await apply(kubectl, clientObjects(zone, regions.get(zone.zone)!, images.node));
  });
  await progress.step('Zones, superpeers and clients become Ready', (step) =>
    until(deployment, step, async () => {
      const items = await list(kubectl, 'zones,superpeers,pods');
      const waiting = items.filter((item) => condition(item, 'Ready')?.status !== 'True');
      const first = waiting[0];
      const why = first ? `: ${first.metadata.name} ${condition(first, 'Ready')?.message ?? ''}` : '';
      step.detail(`${items.length - waiting.length} of ${items.length}${why}`.slice(0, 100));
      return waiting.length === 0 ? true : undefined;
    }),
  );
  const pods = await list(kubectl, 'pods');
  return ZONES.map((zone): ClientPod => {
    const pod = `client-${zone}`;
    const ip = pods.find(({ metadata }) => metadata.name === pod)!.status!.podIP!;
    const echo = { container: ECHO_CONTAINER, port: ECHO_PORT };
    return { zone, namespace: NAMESPACE, pod, container: CLIENT_CONTAINER, ip, echo };
  });
}

export async function installOperator({ kubectl, images, progress }: Deployment): Promise<void> {
  await progress.step('Installing the operator', async () => {
    const objects = installObjects({ image: images.operator, nodeImage: images.node, namespaces: [] });
    const isCrd = (object: { kind: string }) => object.kind === 'CustomResourceDefinition';
    await apply(kubectl, objects);
    const crds = objects.filter(isCrd).map(({ metadata }) => `crd/${metadata.name}`);
    await run(kubectl, ['wait', '--for=condition=Established', '--timeout=60s', ...crds]);
  });
}

export async function apply(kubectl: Kubectl, items: readonly object[]): Promise<void> {
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
  await run(kubectl, ['apply', '--server-side', '-f', '-'], text);
}

/** @param kinds separated by commas; to start kubectl costs more than any answer, so ask for all at once. */
export async function list(kubectl: Kubectl, kinds: string): Promise<Item[]> {
  const text = await run(kubectl, ['get', kinds, '--namespace', NAMESPACE, '-o', 'json']);
  return (JSON.parse(text) as { items: Item[] }).items;
}

export function condition(item: Item, type: string): Condition | undefined {
  return item.status?.conditions?.find((candidate) => candidate.type === type);
}

/** Asks until there is an answer; when there is none in time, says what was still missing. */
export async function until<T>(
  { check }: Pick<Deployment, 'check'>,
  step: Step,
  ask: () => Promise<T | undefined>,
  timeoutMs = READY_TIMEOUT_MS,
): Promise<T> {
  let last = '';
  const detail = step.detail.bind(step);
  step.detail = (text) => {
    last = text;
    detail(text);
  };
  for (const end = performance.now() + timeoutMs; performance.now() < end; ) {
    check();
    const answer = await ask();
    if (answer !== undefined) return answer;
    await sleep(POLL_MS);
  }
  throw new Error(`not within ${timeoutMs / 1000} s: ${last}`);
}
