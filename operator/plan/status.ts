/** Conditions and readiness, the parts of a status that Zone and Superpeer compute alike. */
import { isDeepStrictEqual } from 'node:util';
import type { Condition } from '../api/conditions.ts';
import type { StatefulSet } from '../kube/types.ts';
import type { NodeStatefulSet } from '../objects/pod.ts';
import { covers } from './covers.ts';
import type { ListedNode } from './directory-nodes.ts';

export interface Problem {
  readonly reason: string;
  readonly message: string;
}

export interface Finding<Type extends string> {
  readonly type: Type;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

/** As Kubernetes writes times: to the second. */
export const timeOf = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** Milliseconds since 1970 of the latest of these times, as annotations have them; in the past for ever if there is none or it is no time. */
export const askedMs = (...times: readonly (string | undefined)[]): number =>
  Math.max(0, ...times.map((time) => Date.parse(time ?? '')).filter(Number.isFinite));

export const isTrue = (finding: Finding<string>) => finding.status === 'True';

/** What a directory has found where a node says it is; no part of being Ready, since the fault may be the directory's own way out. */
export function judgeReached(listed: ListedNode | 'absent' | undefined): Finding<'Reached'> {
  const found = listed === 'absent' ? undefined : listed?.answered;
  const [type, of] = ['Reached', 'at its address'] as const;
  if (found === undefined)
    return { type, status: 'Unknown', reason: 'NotTried', message: `nobody has looked for it ${of}` };
  if (found) return { type, status: 'True', reason: 'Answered', message: `it answers the directory ${of}` };
  return { type, status: 'False', reason: 'NoAnswer', message: `nothing answers the directory ${of}` };
}

export const sayReady = (findings: readonly Finding<string>[]) =>
  findings.some((finding) => finding.type === 'Ready' && isTrue(finding));

/** Sorted by type; the transition time of a condition stays until its status changes. */
export function conditions(
  findings: readonly Finding<string>[],
  previous: readonly Condition[],
  generation: number,
  nowMs: number,
): Condition[] {
  const now = timeOf(nowMs);
  return findings
    .map((f) => {
      const before = previous.find((c) => c.type === f.type);
      const lastTransitionTime = before?.status === f.status ? before.lastTransitionTime : now;
      return { ...f, message: f.message.slice(0, 1024), observedGeneration: generation, lastTransitionTime };
    })
    .sort((a, b) => (a.type < b.type ? -1 : 1));
}

/**
 * Whether what a status has more to say than the one before can wait until it has lasted: on its way up, or down, an object
 * passes states faster than anybody reads them, and each is a write. Others wait for the rest.
 * @param fields that can wait, besides conditions
 * @param telling conditions of which another status can't wait
 */
export function isPassing<Status extends { observedGeneration: number; conditions: Condition[] }>(
  before: Status,
  after: Status,
  fields: readonly (keyof Status)[],
  telling: readonly string[] = ['Ready'],
): boolean {
  const fixed = (status: Status) =>
    Object.entries(status)
      .filter(([field]) => field !== 'conditions' && !fields.includes(field as keyof Status))
      .sort();
  const told = ({ conditions }: Status) => telling.map((type) => conditions.find((c) => c.type === type)?.status);
  return isDeepStrictEqual(fixed(before), fixed(after)) && isDeepStrictEqual(told(before), told(after));
}

/** A node is ready when the pod that is ready is one of the template that we want now. */
export function nodeReady(wanted: NodeStatefulSet, observed: StatefulSet | undefined): boolean {
  const status = observed?.status;
  if (!observed || !status || !covers(observed.spec, wanted.spec)) return false;
  return (
    status.observedGeneration === observed.metadata.generation &&
    status.currentRevision === status.updateRevision &&
    (status.readyReplicas ?? 0) >= 1
  );
}
