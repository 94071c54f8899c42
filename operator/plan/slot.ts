/**
 * What a NodeSlot needs: (view, now) → children, status, what to end, when to look again. Pure.
 *
 * Property: a pod that is in the consensus is ended only after the slot had the permission to drain and the directory
 * says that nothing rides on it, or the deadline has passed, or somebody forces it. A pod that neither is ready nor
 * listed carries no calls and may go at once; one that is ready may only be missing from a directory that has restarted.
 *
 *   Pending ─ pod is up ─▶ Publishing ─ listed ─▶ Active ─ reason and permission ─▶ Draining ─┬─ Retired ─▶ Gone
 *      ▲                                                                                      └─ else: pod deleted ─┐
 *      └──────────────────────────────────────────────────────────────────────────────────────────────────────────┘
 */

import type { SlotConditionType } from '../api/conditions.ts';
import { durationMs } from '../api/fields.ts';
import type { DrainReason, NodeSlot, NodeSlotStatus, SlotState } from '../api/slot.ts';
import type { KubeNode, KubeObject, Manifest, Pod, StatefulSet } from '../kube/types.ts';
import {
  addressAnnotation,
  drainAnnotation,
  forceAnnotation,
  identitySecretName,
  keysAnnotation,
  keysSecretName,
  nodeLabels,
  roleLabels,
  rotateAnnotation,
} from '../objects/labels.ts';
import type { ChangingKeys, KeySecret } from '../objects/secret.ts';
import { slotObjects } from '../objects/slot.ts';
import { addressOf } from './address.ts';
import type { ListedNode } from './directory-nodes.ts';
import { keyNames, keyStatesOf, type MadeKey, type RotationTimes } from './key-rotation.ts';
import { portsOf } from './ports.ts';
import {
  askedMs,
  conditions,
  type Finding,
  isPassing,
  isTrue,
  judgeReached,
  type Problem,
  sayReady,
  timeOf,
} from './status.ts';

export interface SlotView {
  readonly slot: NodeSlot;
  readonly identityKey: string | undefined;
  readonly keyProblem: Problem | undefined;
  /** What of its machine's ports it is to have in mode Host: undefined when none is free. */
  readonly port: number | undefined;
  /** The keys that change. */
  readonly made: readonly MadeKey[];
  readonly statefulSet: StatefulSet | undefined;
  readonly pod: Pod | undefined;
  /** The machine that the pod is on. */
  readonly machine: KubeNode | undefined;
  /** What the directory says of the node: undefined when it can't be asked, 'absent' when the roster has no such node. */
  readonly listed: ListedNode | 'absent' | undefined;
  readonly nodeImage: string;
}

export interface SlotPlan {
  /** The port that the slot is given, before all else: what is applied would not have it yet. */
  readonly grant: number | undefined;
  readonly apply: readonly Manifest[];
  /** The pod is to be told its address, and which keys it should have, lest the kubelet takes a minute to notice. */
  readonly nudge: { readonly pod: Pod; readonly annotations: Record<string, string> } | undefined;
  /** What is to be ended: with this uid, so that it is not one that has just been made. A StatefulSet takes its pod with it. */
  readonly end: { readonly kind: 'Pod' | 'StatefulSet'; readonly name: string; readonly uid: string } | undefined;
  /** Whether the slot keeps its finalizer: while something of it is left to be waited for. */
  readonly finalizer: boolean;
  readonly status: NodeSlotStatus;
  /** Whether the status can wait until it has lasted. */
  readonly isPassing: boolean;
  readonly requeueAfterMs: number;
}

type SlotFinding = Finding<SlotConditionType>;

/** Nobody tells of what a directory says, or of a Secret that somebody deleted. */
const pollMs = 60_000;
/** The directory is asked so often while something is expected of it. */
const pollUnsettledMs = 2_000;

export const slotKey = ({ metadata, spec }: NodeSlot): KeySecret => ({
  name: identitySecretName(metadata.name),
  key: 'identity',
  labels: { ...roleLabels(spec.zone, spec.role), ...nodeLabels(metadata.name) },
});

export const slotChangingKeys = ({ metadata, spec }: NodeSlot): ChangingKeys => ({
  secret: keysSecretName(metadata.name),
  labels: { ...roleLabels(spec.zone, spec.role), ...nodeLabels(metadata.name) },
  prefix: (kind) => kind,
});

export function slotRotation({ metadata, spec }: NodeSlot): RotationTimes {
  const { epochSeconds, link, circuit, notBefore } = spec.keys;
  return {
    epochMs: epochSeconds * 1000,
    lifetimeMs: { link: durationMs(link), circuit: durationMs(circuit), signing: Number.POSITIVE_INFINITY },
    notBeforeMs: askedMs(notBefore, metadata.annotations?.[rotateAnnotation]),
  };
}

export function planSlot(view: SlotView, nowMs: number): SlotPlan {
  const { slot } = view;
  const objects = build(view);
  const drain = judgeDrain(view, nowMs);
  const gone = isGone(view, drain);
  const state = gone ? 'Gone' : stateOf(view, drain);
  const findings = judge(view, state);
  const settled = sayReady(findings) && drain.reason === undefined;
  const paused = slot.spec.paused && !isLeaving(slot);
  const status: NodeSlotStatus = {
    observedGeneration: slot.metadata.generation,
    conditions: conditions(findings, slot.status?.conditions ?? [], slot.metadata.generation, nowMs),
    state,
    ...(view.identityKey ? { identityKey: view.identityKey } : {}),
    ...addressIn(view),
    ...(view.pod?.spec?.nodeName ? { machine: view.pod.spec.nodeName } : {}),
    registered: isRegistered(view),
    ...(drain.reason ? { drainReason: drain.reason } : {}),
    ...(drain.since ? { drainingSince: drain.since } : {}),
    keys: keyStatesOf(view.made, slotRotation(slot)),
    drained: drain.done,
  };
  return {
    grant: view.port === slot.spec.port ? undefined : view.port,
    apply: objects && !paused && !isLeaving(slot) ? [objects.configMap, ...objects.budgets, objects.statefulSet] : [],
    // A pod that has come back while the zone is paused needs its address as well.
    nudge: nudge(view),
    end: paused ? undefined : toEnd(view, drain),
    finalizer: !gone,
    status,
    isPassing: slot.status ? drain.reason === undefined && isComingUp(slot.status, status) : !view.identityKey,
    requeueAfterMs: settled ? pollMs : pollUnsettledMs,
  };
}

/** The directory's roster waits for the key, the zone for what drains. */
const isComingUp = (before: NodeSlotStatus, after: NodeSlotStatus) =>
  isPassing(before, after, ['state', 'machine', 'address', 'registered']);

const isLeaving = ({ metadata }: NodeSlot) => metadata.deletionTimestamp !== undefined;
const isRegistered = ({ listed, slot }: SlotView) =>
  listed === undefined ? (slot.status?.registered ?? false) : listed !== 'absent' && listed.registered;
const isUp = ({ pod }: SlotView) => pod?.status?.phase === 'Running' && !pod.metadata.deletionTimestamp;
const isReady = (view: SlotView) =>
  isUp(view) &&
  view.pod!.status!.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') === true;

function build(view: SlotView) {
  const { slot, identityKey, nodeImage: image } = view;
  const { directory } = slot.spec;
  const ports = portsIn(view);
  return identityKey && directory && ports ? slotObjects({ slot, identityKey, directory, ports, image }) : undefined;
}

/** One that is not free any more, or of another range, is none. */
const portsIn = ({ slot, port }: SlotView) =>
  slot.spec.network.mode === 'Pod' || port === slot.spec.port ? portsOf(slot.spec) : undefined;

function nudge(view: SlotView): SlotPlan['nudge'] {
  const { pod, made } = view;
  if (!pod || pod.metadata.deletionTimestamp) return undefined;
  const before = pod.metadata.annotations ?? {};
  const names = keyNames(made);
  // The first keys are made before the pod.
  const areFirst = !before[keysAnnotation] && made.every(({ number }) => number === 1);
  const found = where(view);
  // Where nothing is known any more it stays where it was: what has become of its machine's address may be known again.
  const address = typeof found === 'string' ? found : before[addressAnnotation];
  const annotations = {
    ...(address ? { [addressAnnotation]: address } : {}),
    ...(areFirst ? {} : { [keysAnnotation]: names }),
  };
  const told = Object.entries(annotations).every(([name, value]) => before[name] === value);
  return told ? undefined : { pod, annotations };
}

const where = ({ slot, pod, machine }: SlotView) => addressOf(slot.spec.network.addresses, pod, machine);

function addressIn(view: SlotView): { address?: string } {
  const found = where(view);
  const cells = view.pod?.spec?.containers[0]?.ports?.find(({ name }) => name === 'cells');
  return typeof found === 'string' && cells ? { address: `${found}:${cells.containerPort}` } : {};
}

interface Drain {
  readonly reason: DrainReason | undefined;
  /** Since when it has had a reason and the permission; kept from look to look. */
  readonly since: string | undefined;
  readonly done: boolean;
}

function judgeDrain(view: SlotView, nowMs: number): Drain {
  const { slot } = view;
  const reason = drainReasonOf(view);
  const allowed = reason !== undefined && slot.spec.drain;
  const since = allowed ? (slot.status?.drainingSince ?? timeOf(nowMs)) : undefined;
  if (reason === undefined) return { reason, since: undefined, done: false };
  if (reason === 'Retired' && slot.metadata.annotations?.[forceAnnotation] === 'true')
    return { reason, since, done: true };
  // Once done it stays done: a node that is out of the roster has nothing more to say of itself.
  if (slot.status?.drained && slot.status.drainReason === reason && reason === 'Retired')
    return { reason, since, done: true };
  if (carriesNothing(view)) return { reason, since, done: true };
  const from =
    since ?? (reason === 'Retired' && view.listed === undefined ? slot.metadata.deletionTimestamp : undefined);
  const late = from !== undefined && nowMs - Date.parse(from) >= slot.spec.drainDeadlineSeconds * 1000;
  const { listed } = view;
  const empty = since !== undefined && listed !== undefined && listed !== 'absent' && listed.draining && listed.empty;
  return { reason, since, done: late || empty === true };
}

/** It never came up, or it has ended and the directory knows of it. */
function carriesNothing(view: SlotView): boolean {
  const { slot, pod, listed } = view;
  if (!slot.spec.directory || !pod) return true;
  return listed !== undefined && !isRegistered(view) && !isReady(view);
}

function drainReasonOf(view: SlotView): DrainReason | undefined {
  const { slot, machine, pod, statefulSet } = view;
  if (isLeaving(slot)) return 'Retired';
  if (!pod) return undefined;
  if (machine?.spec?.unschedulable) return 'Cordoned';
  const current = statefulSet?.status?.observedGeneration === statefulSet?.metadata.generation;
  const wanted = current ? statefulSet?.status?.updateRevision : undefined;
  if (wanted !== undefined && pod.metadata.labels?.['controller-revision-hash'] !== wanted) return 'Outdated';
  if (slot.metadata.annotations?.[drainAnnotation] !== undefined) return 'Requested';
  return undefined;
}

/** A node that somebody asked to drain stays, drained; the others make room for their successor. */
function toEnd({ pod, slot, listed, statefulSet }: SlotView, { reason, done }: Drain): SlotPlan['end'] {
  if (!done || reason === 'Requested') return undefined;
  if (reason !== 'Retired') {
    return pod && !pod.metadata.deletionTimestamp ? ended('Pod', pod) : undefined;
  }
  // First out of the roster, so that nobody takes it for one that has died.
  if (listed !== 'absent' && listed !== undefined && !isForced(slot)) return undefined;
  return statefulSet && !statefulSet.metadata.deletionTimestamp ? ended('StatefulSet', statefulSet) : undefined;
}

const ended = (kind: 'Pod' | 'StatefulSet', { metadata: { name, uid } }: KubeObject) => ({ kind, name, uid });

const isForced = ({ metadata }: NodeSlot) => metadata.annotations?.[forceAnnotation] === 'true';

/** Nothing is left of a slot that was retired: it is out of the roster, and its pod has ended. */
function isGone({ slot, pod, listed, statefulSet }: SlotView, { reason, done }: Drain): boolean {
  if (reason !== 'Retired' || !done || pod || statefulSet) return false;
  return listed === 'absent' || listed === undefined || isForced(slot);
}

function stateOf(view: SlotView, drain: Drain): SlotState {
  if (drain.since !== undefined && view.pod) return 'Draining';
  if (!isUp(view)) return 'Pending';
  return isRegistered(view) && isReady(view) ? 'Active' : 'Publishing';
}

function judge(view: SlotView, state: SlotState): SlotFinding[] {
  const keys = judgeKeys(view);
  const pod = judgePod(view);
  const registered = judgeRegistered(view);
  const port = judgePort(view);
  const addressed = judgeAddressed(view);
  // On a machine without an address the pod can't become ready; without a machine there is none.
  const pods = addressed.reason === 'NotPlaced' ? [pod, addressed] : [addressed, pod];
  const ready = judgeReady(view, state, [keys, port, ...pods, registered]);
  return [addressed, keys, port, pod, registered, judgeReached(view.listed), ready];
}

const no = (type: SlotConditionType, reason: string, message: string): SlotFinding => ({
  type,
  status: 'False',
  reason,
  message,
});

function judgeKeys({ keyProblem }: SlotView): SlotFinding {
  if (keyProblem) return { type: 'KeysReady', status: 'False', ...keyProblem };
  return { type: 'KeysReady', status: 'True', reason: 'KeysMade', message: 'the node has its key' };
}

/** In mode Pod every pod has all ports. */
function judgePort(view: SlotView): SlotFinding {
  const { mode, ports } = view.slot.spec.network;
  if (portsIn(view)) {
    const message = mode === 'Pod' ? 'the node’s pod has all ports' : 'the node has ports of its machine for itself';
    return { type: 'PortsGiven', status: 'True', reason: 'Given', message };
  }
  const { first, count } = ports;
  const range = `${first} to ${first + count - 1}`;
  return no('PortsGiven', 'NoFreePort', `nodes that may be on the same machines have all ports from ${range}`);
}

function judgeAddressed(view: SlotView): SlotFinding {
  const found = where(view);
  if (typeof found !== 'string') return no('Addressed', found.reason, found.message);
  return { type: 'Addressed', status: 'True', reason: 'Found', message: 'others reach the node at status.address' };
}

function judgePod(view: SlotView): SlotFinding {
  const { slot, pod } = view;
  if (!slot.spec.directory)
    return no('PodReady', 'ZoneNotPublished', 'the zone has published no root key and directory yet');
  if (!pod) return no('PodReady', 'NoPod', 'there is no pod yet');
  const placed = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (placed?.status === 'False') return no('PodReady', 'Unschedulable', placed.message ?? 'no machine takes the pod');
  if (!isReady(view)) return no('PodReady', 'PodNotReady', `pod ${pod.metadata.name} is not ready`);
  return { type: 'PodReady', status: 'True', reason: 'PodReady', message: 'the pod is ready' };
}

function judgeRegistered(view: SlotView): SlotFinding {
  if (view.listed === undefined) return no('Registered', 'NotAsked', 'the directory has not answered');
  if (!isRegistered(view)) return no('Registered', 'NotInConsensus', 'the directory does not list the node');
  return { type: 'Registered', status: 'True', reason: 'InConsensus', message: 'the directory lists the node' };
}

function judgeReady({ slot }: SlotView, state: SlotState, parts: readonly SlotFinding[]): SlotFinding {
  const missing = parts.find((part) => !isTrue(part));
  if (missing) return no('Ready', missing.reason, missing.message);
  if (state === 'Draining') return no('Ready', 'Draining', `the node drains: ${slot.status?.drainReason ?? 'Retired'}`);
  return { type: 'Ready', status: 'True', reason: 'Ready', message: 'the node carries calls' };
}
