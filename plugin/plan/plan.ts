/**
 * kubectl herd plan: what the operator will do when a file is applied. The API server tries it first, so that defaults are
 * in it and what it would refuse is refused here; the rest is the operator's own plans, before and after.
 */
import { loadAll } from 'js-yaml';
import { parseSuperpeer, type Superpeer } from '../../operator/api/superpeer.ts';
import { parseZone, type Zone } from '../../operator/api/zone.ts';
import { ApiError, messageOf } from '../../operator/kube/errors.ts';
import * as kube from '../../operator/kube/types.ts';
import { managedSelector } from '../../operator/objects/labels.ts';
import { dependents, zonesOf } from '../../operator/plan/relations.ts';
import type { Command } from '../arguments.ts';
import { type ExitCode, exitCodes, Failure } from '../failures.ts';
import { readHerd } from '../herd.ts';
import { findOperator } from '../operator.ts';
import { ownNamespace, type Session } from '../session.ts';
import { formatted, onOneLine, table } from '../text.ts';
import { type Difference, differenceOf } from './difference.ts';
import { type Objects, outcomeOf } from './outcome.ts';

/** As `kubectl apply --server-side` calls itself: what that would leave out goes here too. */
const fieldManager = 'kubectl';

type Wish =
  | { readonly kind: 'Superpeer'; readonly object: Superpeer }
  | { readonly kind: 'Zone'; readonly object: Zone };

export interface NamespacePlan extends Difference {
  readonly namespace: string;
  readonly notes: readonly string[];
}

export async function plan(session: Session, command: Command): Promise<ExitCode> {
  const documents = readDocuments(await session.terminal.readFile(command.file!), command, ownNamespace(session));
  const wishes = await tried(session, documents.manifests);
  const plans: NamespacePlan[] = [];
  for (const namespace of new Set(wishes.map(({ object }) => object.metadata.namespace))) {
    const here = wishes.filter(({ object }) => object.metadata.namespace === namespace);
    plans.push(planOf(await readObjects(session, namespace), namespace, here, session.now()));
  }
  const draw = () => [...documents.leftOut.map((line) => `${line}\n`), ...plans.map(drawPlan)].join('\n');
  session.terminal.out(formatted(command.output, { plans, leftOut: documents.leftOut }, draw));
  return exitCodes.ok;
}

/** @throws Failure with all that is wrong with the file */
export function readDocuments(
  text: string,
  { file, namespace: asked }: Pick<Command, 'file' | 'namespace'>,
  namespace: string,
): { manifests: (kube.Manifest & { spec?: object })[]; leftOut: string[] } {
  let documents: unknown[];
  try {
    documents = loadAll(text).flatMap((one) => {
      const { kind, items } = (one ?? {}) as { kind?: unknown; items?: unknown };
      return kind === 'List' && Array.isArray(items) ? items : [one];
    });
  } catch (error) {
    throw new Failure('usage', `--file ${file}: ${messageOf(error)}`);
  }
  const problems: string[] = [];
  const leftOut: string[] = [];
  const manifests = documents.flatMap((document, i) => {
    const where = `--file ${file}: document ${i + 1}`;
    if (document === null || document === undefined) return [];
    const { apiVersion, kind, metadata } = document as Partial<kube.Manifest>;
    if (apiVersion === undefined || kind === undefined || typeof metadata?.name !== 'string') {
      problems.push(`${where}: has no apiVersion, kind or metadata.name`);
      return [];
    }
    if (!resourceOf(kind)) {
      leftOut.push(`${kind} ${metadata.name} is left out: Zones and Superpeers are planned`);
      return [];
    }
    if (asked !== undefined && metadata.namespace !== undefined && metadata.namespace !== asked)
      problems.push(`${where}: ${kind} ${metadata.name} is of namespace ${metadata.namespace}, not ${asked}`);
    return [{ ...(document as kube.Manifest), metadata: { ...metadata, namespace: metadata.namespace ?? namespace } }];
  });
  if (problems.length === 0 && manifests.length === 0) problems.push(`--file ${file}: no Zone or Superpeer is in it`);
  if (problems.length > 0) throw new Failure('usage', ...problems);
  return { manifests, leftOut };
}

const resourceOf = (kind: string) =>
  ({ Zone: kube.zones, Superpeer: kube.superpeers })[kind] as kube.Resource<kube.CustomResource> | undefined;

/** @throws Failure with all that the API server refuses */
async function tried({ client }: Session, manifests: readonly kube.Manifest[]): Promise<Wish[]> {
  const problems: string[] = [];
  const wishes: Wish[] = [];
  for (const manifest of manifests) {
    const { kind, metadata } = manifest;
    try {
      const object = await client.dryRun(resourceOf(kind)!, manifest, fieldManager);
      const parsed = kind === 'Zone' ? parseZone(object) : parseSuperpeer(object);
      if (parsed.ok) wishes.push({ kind, object: parsed.value } as Wish);
      else problems.push(...parsed.problems.map((problem) => `${kind} ${metadata.name}: ${problem}`));
    } catch (error) {
      if (!(error instanceof ApiError) || error.code === 401) throw error;
      problems.push(`${kind} ${metadata.name}: ${error.message}`);
    }
  }
  if (problems.length > 0) throw new Failure('refused', ...problems);
  return wishes;
}

async function readObjects({ client }: Session, namespace: string): Promise<Objects> {
  const list = async <T extends kube.KubeObject>(resource: kube.Resource<T>) =>
    (await client.list(resource, { namespace, labelSelector: managedSelector })).items;
  const [herd, configMaps, services, statefulSets, budgets, pods, operator] = await Promise.all([
    readHerd(client, namespace),
    list(kube.configMaps),
    list(kube.services),
    list(kube.statefulSets),
    list(kube.podDisruptionBudgets),
    list(kube.pods),
    findOperator(client),
  ]);
  // Before and after are of one image: which is of no account.
  const nodeImage = operator?.nodeImage ?? 'unknown';
  return { ...herd, configMaps, services, statefulSets, budgets, pods, nodeImage };
}

export function planOf(before: Objects, namespace: string, wishes: readonly Wish[], nowMs: number): NamespacePlan {
  const zones = wishes.flatMap((wish) => (wish.kind === 'Zone' ? [wish.object] : []));
  const superpeers = wishes.flatMap((wish) => (wish.kind === 'Superpeer' ? [wish.object] : []));
  const after: Objects = {
    ...before,
    zones: replaced(before.zones, zones),
    superpeers: replaced(before.superpeers, superpeers),
  };
  const names = new Set<string>();
  for (const objects of [before, after]) {
    const changed = objects.zones.filter(({ metadata }) => zones.some((zone) => zone.metadata.name === metadata.name));
    for (const zone of changed)
      for (const name of [zone.metadata.name, ...dependents(zone, objects.zones)]) names.add(name);
    for (const { spec } of superpeers) {
      const zone = objects.zones.find(({ metadata }) => metadata.name === spec.zoneRef);
      for (const name of zonesOf(spec.zoneRef, zone)) names.add(name);
    }
  }
  const difference = differenceOf(outcomeOf(before, names, nowMs), outcomeOf(after, names, nowMs), before.slots);
  return { namespace, notes: notesOf(before, after, zones, superpeers), ...difference };
}

function replaced<T extends { metadata: { name: string } }>(old: readonly T[], fresh: readonly T[]): T[] {
  const names = new Set(fresh.map(({ metadata }) => metadata.name));
  return [...old.filter(({ metadata }) => !names.has(metadata.name)), ...fresh];
}

function notesOf(before: Objects, after: Objects, zones: readonly Zone[], superpeers: readonly Superpeer[]): string[] {
  const was = (name: string) => before.zones.find(({ metadata }) => metadata.name === name);
  return [
    ...zones.flatMap(({ metadata: { name }, spec }) => {
      const progress = was(name)?.status?.conditions.find(({ type }) => type === 'Progressing');
      return [
        ...(was(name) ? [] : [`Zone ${name} is new`]),
        ...spec.regions.flatMap((region) =>
          region.cluster
            ? [
                `Region ${region.name} of zone ${name} is in another cluster: what becomes of its nodes is not told here`,
              ]
            : [],
        ),
        ...(spec.paused ? [`Zone ${name} is paused: nothing of this is done until it is resumed`] : []),
        ...(progress?.status === 'True'
          ? [`Zone ${name} is at work on what it was told before: ${progress.message}`]
          : []),
      ];
    }),
    ...superpeers.flatMap(({ metadata: { name }, spec, status }) => [
      ...(after.zones.some(({ metadata }) => metadata.name === spec.zoneRef)
        ? []
        : [`Superpeer ${name}: there is no zone ${spec.zoneRef}`]),
      ...(spec.external && !status?.conditions.some((c) => c.type === 'Approved' && c.status === 'True')
        ? [`Superpeer ${name} takes part once it is approved`]
        : []),
    ]),
  ];
}

/** Of a child that changes in more places the first are told. */
const changesMax = 12;

export function drawPlan(plan: NamespacePlan): string {
  const { namespace, notes, added, changed, removed, drains, restarts } = plan;
  const list = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? '' : `${title}\n${lines.map((line) => `  ${onOneLine(line)}\n`).join('')}`;
  const nameOf = ({ kind, name }: { kind: string; name: string }) => `${kind} ${name}`;
  const parts = [
    list('NOTES', notes),
    list('ADDED', added.map(nameOf)),
    list(
      'CHANGED',
      changed.flatMap((child) => {
        const more = child.changes.length - changesMax;
        return [
          nameOf(child),
          ...child.changes.slice(0, changesMax).map((change) => `  ${change}`),
          ...(more > 0 ? [`  and ${more} more`] : []),
        ];
      }),
    ),
    list('REMOVED', removed.map(nameOf)),
    drains.length === 0
      ? ''
      : `DRAINED, one at a time\n${table(
          ['  SLOT', 'REASON', 'BECAUSE'],
          drains.map(({ slot, reason, because }) => [
            `  ${slot}`,
            reason,
            reason === 'Retired' ? 'the spec has it no more' : because.join('; '),
          ]),
        )}`,
    list('RESTARTED at once', restarts),
  ].filter((part) => part !== '');
  const heading = `namespace ${namespace}\n`;
  const nothing = added.length + changed.length + removed.length === 0;
  return `${heading}${parts.join('')}${nothing ? 'The operator has nothing to do.\n' : ''}`;
}
