/**
 * The objects of a namespace without what chance and the clock made of them, so that two runs can be compared.
 * What differs from run to run but must agree within one (keys, addresses, uids, revisions) is replaced by whose it is:
 * a roster with the key of a Secret that is no more, or a pod of an older template, still shows.
 */
import type { KubeObject, Pod, Service, StatefulSet } from '../../../operator/kube/types.ts';
import { configAnnotation, configHashAnnotation, publicKeyAnnotation } from '../../../operator/objects/labels.ts';
import { revisionOf } from './kubelet.ts';
import type { Seen } from './mirror.ts';

/** By kind and name. */
export type Normal = Record<string, unknown>;

const dropped = new Set(['resourceVersion', 'creationTimestamp', 'generation', 'managedFields']);
const anyTime = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;

export function normal(objects: readonly Seen[], namespace: string): Normal {
  const masks = masksOf(objects);
  // An address is not the beginning of another.
  const pattern = new RegExp(`(?:${[...masks.keys()].map(escapeRegExp).join('|')})(?![0-9])`, 'g');
  const mask = (text: string) =>
    (masks.size > 0 ? text.replace(pattern, (found) => masks.get(found)!) : text)
      .replaceAll(anyTime, '<time>')
      .replaceAll(anyKey, '"<key of no Secret>')
      .replaceAll(namespace, '<namespace>');
  const entries = objects.map(({ kind, object }): [string, unknown] => {
    const clean = JSON.stringify(object, (key, value) => cleaned(kind, object, key, value));
    return [`${kind}/${object.metadata.name}`, JSON.parse(mask(clean))];
  });
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function cleaned(kind: string, object: KubeObject, key: string, value: unknown): unknown {
  if (dropped.has(key)) return undefined;
  if (key === 'observedGeneration') return value === object.metadata.generation ? '<newest>' : value;
  // It holds the keys, which differ; the files that it is of are compared themselves.
  if (key === configHashAnnotation || key === configAnnotation) return '<hash>';
  if (kind === 'Secret' && key === 'data') return Object.keys(value as object);
  return value;
}

/** 32 bytes in base64, a whole string. */
const anyKey = /"[A-Za-z0-9+/]{43}=/g;

/** What stands for what. */
function masksOf(objects: readonly Seen[]): Map<string, string> {
  const masks = new Map<string, string>();
  const put = (text: string | undefined, what: string) => text && masks.set(text, `<${what}>`);
  for (const { kind, object } of objects) {
    const { name, uid, annotations } = object.metadata;
    put(uid, `uid of ${kind} ${name}`);
    if (kind === 'Secret') put(annotations?.[publicKeyAnnotation], `key of ${name}`);
    if (kind === 'Service') put((object as Service).spec.clusterIP, `address of ${name}`);
    if (kind === 'Pod') put((object as Pod).status?.podIP, `address of ${name}`);
    if (kind === 'StatefulSet') put(revisionOf(object as StatefulSet), `revision of ${name}`);
  }
  return masks;
}

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
