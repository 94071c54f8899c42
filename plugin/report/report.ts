/**
 * kubectl herd report: one file for those who help. Secrets are never asked for, nor what nodes count or log: only
 * resources of ours, their events, and the operator's log; addresses and keys in them are masked.
 */
import { leaseName } from '../../operator/config.ts';
import type { KubeClient } from '../../operator/kube/client.ts';
import { messageOf } from '../../operator/kube/errors.ts';
import * as kube from '../../operator/kube/types.ts';
import { managedSelector } from '../../operator/objects/labels.ts';
import packageJson from '../../package.json' with { type: 'json' };
import type { Command } from '../arguments.ts';
import { type ExitCode, exitCodes } from '../failures.ts';
import { findOperator, operatorSelector } from '../operator.ts';
import { definitions, deployments } from '../resources.ts';
import type { Session } from '../session.ts';
import { Redactor } from './redact.ts';

/** Of each pod of the operator: the end of its log. */
const logLines = 5_000;
const logBytes = 2_000_000;

interface Event extends kube.KubeObject {
  readonly regarding?: { readonly name?: string };
}

export async function report(session: Session, command: Command): Promise<ExitCode> {
  const madeAt = new Date(session.now()).toISOString();
  const bundle = { madeAt, plugin: packageJson.version, ...(await collect(session)) };
  const text = `${JSON.stringify(new Redactor().data(bundle), null, 1)}\n`;
  if (command.file === '-') {
    session.terminal.out(text);
    return exitCodes.ok;
  }
  const file = command.file ?? `herd-report-${madeAt.replace(/\.\d+Z$/, 'Z').replaceAll(':', '-')}.json`;
  await session.terminal.writeFile(file, text);
  session.terminal.out(`${file} is written. Look at it before you send it.\n`);
  return exitCodes.ok;
}

async function collect({ client, namespace }: Session) {
  const all = <T extends kube.KubeObject>(resource: kube.Resource<T>, labelSelector?: string) =>
    tried(async () => (await client.list(resource, { namespace, labelSelector })).items);
  const resources = {
    zones: await all(kube.zones),
    superpeers: await all(kube.superpeers),
    nodeSlots: await all(kube.nodeSlots),
    statefulSets: await all(kube.statefulSets, managedSelector),
    configMaps: await all(kube.configMaps, managedSelector),
    services: await all(kube.services, managedSelector),
    budgets: await all(kube.podDisruptionBudgets, managedSelector),
    pods: await all(kube.pods, managedSelector),
  };
  const named = new Set(
    Object.values(resources).flatMap((found) => ('problem' in found ? [] : found.map(({ metadata }) => metadata.name))),
  );
  return {
    version: await tried(async () => JSON.parse((await client.read('/version')).text) as unknown),
    ...resources,
    // A namespace may hold other things than ours.
    events: await tried(async () =>
      (await client.list(kube.events as kube.Resource<Event>, { namespace })).items.filter(
        ({ regarding }) => regarding?.name !== undefined && named.has(regarding.name),
      ),
    ),
    machines: await tried(async () => (await client.list(kube.nodes)).items.map(machineOf)),
    definitions: await tried(async () =>
      (await client.list(definitions)).items
        .filter(({ metadata }) => metadata.name.endsWith('.herd.network'))
        .map(({ metadata, status }) => ({ name: metadata.name, status })),
    ),
    operator: await tried(() => operatorOf(client)),
  };
}

/** What the operator and people see of a machine; its addresses are not among it. */
const machineOf = ({ metadata, spec }: kube.KubeNode) => ({
  name: metadata.name,
  labels: metadata.labels,
  unschedulable: spec?.unschedulable ?? false,
});

async function operatorOf(client: KubeClient) {
  const found = await findOperator(client);
  if (!found) return { problem: 'there is no Deployment of the operator' };
  const { namespace } = found;
  const of = { namespace, labelSelector: operatorSelector };
  const { items } = await client.list(kube.pods, of);
  const logs: Record<string, unknown> = {};
  for (const { metadata } of items) {
    const query = `tailLines=${logLines}&limitBytes=${logBytes}`;
    const path = `/api/v1/namespaces/${namespace}/pods/${metadata.name}/log?${query}`;
    logs[metadata.name] = await tried(async () => (await client.read(path)).text.split('\n'));
  }
  return {
    deployments: (await client.list(deployments, of)).items,
    pods: items,
    lease: await tried(async () => await client.get(kube.leases, namespace, leaseName)),
    logs,
  };
}

/** What can't be had is said in its place. */
async function tried<T>(look: () => Promise<T>): Promise<T | { problem: string }> {
  try {
    return await look();
  } catch (error) {
    return { problem: messageOf(error) };
  }
}
