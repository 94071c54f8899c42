/** Two outcomes → what is added, changed and removed, and which nodes drain for it. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { NodeSlot } from '../../operator/api/slot.ts';
import type { Manifest } from '../../operator/kube/types.ts';
import { parseJson } from '../../operator/plan/json.ts';
import type { Outcome } from './outcome.ts';

export interface Child {
  readonly kind: string;
  readonly name: string;
}

export interface Drain {
  readonly slot: string;
  readonly reason: 'Outdated' | 'Retired';
  /** What of its pod's template changes. */
  readonly because: readonly string[];
}

export interface Difference {
  readonly added: readonly Child[];
  readonly changed: readonly (Child & { readonly changes: readonly string[] })[];
  readonly removed: readonly Child[];
  /** In the order of their names; the operator lets one go at a time. */
  readonly drains: readonly Drain[];
  /** Directories whose pod is made anew. Clients and nodes have what it said last. */
  readonly restarts: readonly string[];
}

/** @param slots those that are in the cluster: what isn't there has nothing to drain */
export function differenceOf(before: Outcome, after: Outcome, slots: readonly NodeSlot[]): Difference {
  const childOf = ({ kind, metadata: { name } }: Manifest): Child => ({ kind, name });
  const changed = [...after].flatMap(([key, now]) => {
    const then = before.get(key);
    if (!then) return [];
    const changes = changesIn(readable(then), readable(now));
    return changes.length === 0 ? [] : [{ ...childOf(now), changes }];
  });
  const there = new Set(slots.map(({ metadata }) => metadata.name));
  const removed = [...before].flatMap(([key, then]) => (after.has(key) ? [] : [childOf(then)]));
  const retired = removed.filter(({ kind, name }) => kind === 'NodeSlot' && there.has(name));
  const templates = changed
    .filter(({ kind }) => kind === 'StatefulSet')
    .map(({ name, changes }) => ({ name, because: changes.filter((change) => change.startsWith('spec.template.')) }))
    .filter(({ because }) => because.length > 0);
  return {
    added: [...after].flatMap(([key, now]) => (before.has(key) ? [] : [childOf(now)])),
    changed,
    removed,
    drains: [
      ...retired.map(({ name }) => ({ slot: name, reason: 'Retired' as const, because: [] })),
      ...templates
        .filter(({ name }) => there.has(name))
        .map(({ name, because }) => ({ slot: name, reason: 'Outdated' as const, because })),
    ].sort((a, b) => (a.slot < b.slot ? -1 : 1)),
    restarts: templates.filter(({ name }) => !there.has(name)).map(({ name }) => name),
  };
}

/** A configuration is text to Kubernetes and data to people. */
function readable(manifest: Manifest): object {
  const { data, ...rest } = manifest as Manifest & { data?: Record<string, string> };
  if (!data) return rest;
  return { ...rest, data: Object.fromEntries(Object.entries(data).map(([k, v]) => [k, parseJson(v) ?? v])) };
}

/** Field by field; of lists, entry by entry where entries have a name. */
export function changesIn(before: unknown, after: unknown, path = ''): string[] {
  if (isDeepStrictEqual(before, after)) return [];
  if (before === undefined) return [`${path}: added${scalar(after)}`];
  if (after === undefined) return [`${path}: removed`];
  const [a, b] = [fieldsOf(before), fieldsOf(after)];
  if (!a || !b) return [`${path}: ${JSON.stringify(before)} → ${JSON.stringify(after)}`];
  const isList = Array.isArray(after);
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) =>
    changesIn(a[key], b[key], isList ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`),
  );
}

const scalar = (value: unknown) => (typeof value === 'object' ? '' : ` ${JSON.stringify(value)}`);

function fieldsOf(value: unknown): Record<string, unknown> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!Array.isArray(value)) return value as Record<string, unknown>;
  const names = value.map((entry: unknown) => nameIn(entry));
  const isNamed = names.every((name) => name !== undefined) && new Set(names).size === names.length;
  return Object.fromEntries(value.map((entry: unknown, i) => [isNamed ? names[i]! : String(i), entry]));
}

function nameIn(entry: unknown): string | undefined {
  const { id, name, zone } = (entry ?? {}) as Record<string, unknown>;
  const found = id ?? name ?? zone;
  return typeof found === 'string' ? found : undefined;
}
