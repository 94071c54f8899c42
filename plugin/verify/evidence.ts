/** What verify looks at, all of it through the API server. A thing that can't be had is a sentence that says why. */
import type { Zone } from '../../operator/api/zone.ts';
import { leaseName } from '../../operator/config.ts';
import { ApiError, messageOf } from '../../operator/kube/errors.ts';
import { type Lease, leases, type Pod, pods } from '../../operator/kube/types.ts';
import { ports } from '../../operator/objects/config.ts';
import { directoryName, managedSelector, roleName } from '../../operator/objects/labels.ts';
import { hostOf } from '../../operator/plan/relations.ts';
import type { Herd } from '../herd.ts';
import { findOperator, type Operator } from '../operator.ts';
import { type Definition, definitions } from '../resources.ts';
import type { Session } from '../session.ts';
import { parseSamples, type Samples } from './samples.ts';

export type Had<T> = { readonly value: T } | { readonly problem: string };

export interface Scrape {
  /** When it was answered, by our clock. */
  readonly atMs: number;
  /** How far the node's clock is ahead of the API server's, to the second; NaN if it doesn't tell. */
  readonly aheadMs: number;
  readonly samples: Samples;
}

export interface Evidence {
  readonly herd: Herd;
  readonly zone: Zone;
  /** The zone whose directory serves this one. */
  readonly host: Zone | undefined;
  /** By the API server's clock. */
  readonly nowMs: number;
  readonly definitions: Had<readonly Definition[]>;
  readonly operator: Had<Operator>;
  readonly lease: Had<Lease>;
  readonly pods: readonly Pod[];
  /** What the directory answers when asked for the zone's view. */
  readonly view: Had<unknown>;
  /** One after the other, of each of the zone's pods. */
  readonly scrapes: ReadonlyMap<string, Had<readonly Scrape[]>>;
}

/** So many readings, so far apart: two stretches of time to be compared. */
const readings = 3;
const betweenMs = 5_000;

/** One zone after the other: a thousand would take each other's time. */
export async function gather(session: Session, herd: Herd, zones: readonly Zone[]): Promise<Evidence[]> {
  const all: Evidence[] = [];
  for (const zone of zones) all.push(await gatherZone(session, herd, zone));
  return all;
}

async function gatherZone(session: Session, herd: Herd, zone: Zone): Promise<Evidence> {
  const { client } = session;
  const { namespace } = zone.metadata;
  const aheadMs = await serverAheadMs(session);
  const operator = await had(() => findOperator(client), 'there is no Deployment of the operator');
  const view = viewOf(session, zone);
  const found = await podsOf(session, zone);
  const seen = {
    herd,
    zone,
    host: herd.zones.find((z) => z.metadata.namespace === namespace && z.metadata.name === hostOf(zone)),
    definitions: await had(async () => (await client.list(definitions)).items),
    operator,
    lease: 'problem' in operator ? operator : await leaseOf(session, operator.value),
    pods: found,
    view: await view,
    nowMs: session.now() + aheadMs,
  };
  return { ...seen, scrapes: await scrapeAll(session, namespace, found, aheadMs) };
}

const leaseOf = ({ client }: Session, { namespace }: Operator) =>
  had(() => client.get(leases, namespace, leaseName), `there is no Lease ${leaseName}`);

/** How far the API server's clock is ahead of ours. Its answers tell the second. */
async function serverAheadMs({ client, now }: Session): Promise<number> {
  const { dateMs } = await client.read('/version');
  return Number.isFinite(dateMs) ? dateMs + 500 - now() : 0;
}

async function podsOf({ client }: Session, zone: Zone): Promise<Pod[]> {
  const { namespace, name } = zone.metadata;
  const labelSelector = `${managedSelector},herd.network/zone=${name}`;
  return (await client.list(pods, { namespace, labelSelector })).items;
}

function viewOf(session: Session, zone: Zone): Promise<Had<unknown>> {
  const service = roleName(hostOf(zone), 'directory');
  const of = `/api/v1/namespaces/${zone.metadata.namespace}/services/${service}:${ports.directory}/proxy`;
  return had(async () => {
    const { text } = await session.viaProxy(`${of}/v1/zones/${zone.metadata.name}/view`);
    return JSON.parse(text) as unknown;
  });
}

async function scrapeAll(session: Session, namespace: string, found: readonly Pod[], serverAheadMs: number) {
  const scraped = await Promise.all(
    found.map(async (pod) => {
      const { name } = pod.metadata;
      const path = `/api/v1/namespaces/${namespace}/pods/${name}:${metricsPort(pod)}/proxy/metrics`;
      return [name, await had(() => scrapesOf(session, path, serverAheadMs))] as const;
    }),
  );
  return new Map(scraped);
}

/** In the network of its machine each has another. */
function metricsPort({ spec }: Pod): number {
  const all = spec?.containers.flatMap((container) => container.ports ?? []);
  return all?.find(({ name }) => name === 'metrics')?.containerPort ?? ports.metrics;
}

async function scrapesOf(session: Session, path: string, serverAheadMs: number): Promise<Scrape[]> {
  const scrapes: Scrape[] = [];
  for (let reading = 1; reading <= readings; reading++) {
    const { text, dateMs } = await session.viaProxy(path);
    const atMs = session.now();
    scrapes.push({ atMs, aheadMs: dateMs + 500 - (atMs + serverAheadMs), samples: parseSamples(text) });
    if (reading < readings) await session.sleep(betweenMs);
  }
  return scrapes;
}

/** @param absent what it means when there is nothing */
async function had<T>(look: () => Promise<T | undefined>, absent = 'there is nothing'): Promise<Had<T>> {
  try {
    const value = await look();
    return value === undefined ? { problem: absent } : { value };
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return { problem: `not allowed: ${error.message}` };
    return { problem: messageOf(error) };
  }
}

/** Of a node's slot or of the zone's own directory. */
export const isDirectory = (zone: Zone, pod: Pod): boolean =>
  pod.metadata.name === `${directoryName(zone.metadata.name)}-0`;
