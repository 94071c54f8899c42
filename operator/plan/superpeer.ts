/** What a Superpeer needs: (view, now) → children, status, when to look again. Pure. Its key is published even while its zone is missing, so that the directory can admit it at once. */
import type { SuperpeerConditionType } from '../api/conditions.ts';
import type { Superpeer, SuperpeerStatus } from '../api/superpeer.ts';
import type { Zone } from '../api/zone.ts';
import type { Manifest, StatefulSet } from '../kube/types.ts';
import { identitySecretName, roleLabels } from '../objects/labels.ts';
import type { NodeStatefulSet } from '../objects/pod.ts';
import type { KeySecret } from '../objects/secret.ts';
import { superpeerObjects } from '../objects/superpeer.ts';
import type { Consensus } from './consensus.ts';
import { conditions, type Finding, isTrue, nodeReady } from './status.ts';

export interface SuperpeerView {
  readonly superpeer: Superpeer;
  /** The zone that zoneRef names, if it exists. */
  readonly zone: Zone | undefined;
  readonly identityKey: string | undefined;
  readonly keyProblem: { readonly reason: string; readonly message: string } | undefined;
  readonly statefulSet: StatefulSet | undefined;
  readonly consensus: Consensus;
  readonly nodeImage: string;
}

export interface SuperpeerPlan {
  readonly apply: readonly Manifest[];
  readonly status: SuperpeerStatus;
  readonly requeueAfterMs: number;
}

type SuperpeerFinding = Finding<SuperpeerConditionType>;

/** Pods tell of themselves; only what the consensus says has to be asked for. */
const pollMs = 60_000;
const pollUnreadyMs = 2_000;

export const superpeerKey = ({ metadata, spec }: Superpeer): KeySecret => ({
  name: identitySecretName(metadata.name),
  key: 'identity',
  labels: roleLabels(spec.zoneRef, 'superpeer'),
});

export function planSuperpeer(view: SuperpeerView, nowMs: number): SuperpeerPlan {
  const { superpeer, identityKey } = view;
  const { generation } = superpeer.metadata;
  const objects = build(view);
  const findings = judge(view, objects?.statefulSet);
  const settled = findings.every(isTrue);
  return {
    apply: objects ? [objects.configMap, objects.statefulSet] : [],
    status: {
      observedGeneration: generation,
      conditions: conditions(findings, superpeer.status?.conditions ?? [], generation, nowMs),
      ...(identityKey ? { identityKey } : {}),
    },
    requeueAfterMs: settled ? pollMs : pollUnreadyMs,
  };
}

function build({ superpeer, zone, identityKey, nodeImage: image }: SuperpeerView) {
  const { rootKey, directoryURL: url } = zone?.status ?? {};
  return identityKey && rootKey && url
    ? superpeerObjects({ superpeer, identityKey, directory: { url, rootKey }, image })
    : undefined;
}

function judge(view: SuperpeerView, wanted: NodeStatefulSet | undefined): SuperpeerFinding[] {
  const zoneFound = judgeZone(view);
  const registered = judgeRegistered(view, zoneFound);
  return [zoneFound, registered, judgeReady(view, zoneFound, registered, wanted)];
}

function judgeZone({ superpeer, zone }: SuperpeerView): SuperpeerFinding {
  const name = superpeer.spec.zoneRef;
  if (zone) return { type: 'ZoneFound', status: 'True', reason: 'ZoneFound', message: `zone ${name} exists` };
  const message = `zone ${name} does not exist in namespace ${superpeer.metadata.namespace}`;
  return { type: 'ZoneFound', status: 'False', reason: 'ZoneNotFound', message };
}

function judgeRegistered({ superpeer, consensus }: SuperpeerView, zoneFound: SuperpeerFinding): SuperpeerFinding {
  const no = (reason: string, message: string): SuperpeerFinding => ({
    type: 'Registered',
    status: 'False',
    reason,
    message,
  });
  if (!isTrue(zoneFound)) return no(zoneFound.reason, zoneFound.message);
  if (consensus.kind === 'unasked') return no('NotAsked', 'the zone’s directory was not asked yet');
  if (consensus.kind === 'unreachable') return no('NoConsensus', consensus.problem);
  if (!consensus.registered.has(superpeer.metadata.name))
    return no('NotInConsensus', 'the zone’s consensus does not list the superpeer');
  return {
    type: 'Registered',
    status: 'True',
    reason: 'InConsensus',
    message: 'the zone’s consensus lists the superpeer',
  };
}

function judgeReady(
  { keyProblem, statefulSet }: SuperpeerView,
  zoneFound: SuperpeerFinding,
  registered: SuperpeerFinding,
  wanted: NodeStatefulSet | undefined,
): SuperpeerFinding {
  const no = (reason: string, message: string): SuperpeerFinding => ({
    type: 'Ready',
    status: 'False',
    reason,
    message,
  });
  if (keyProblem) return no(keyProblem.reason, keyProblem.message);
  if (!isTrue(zoneFound)) return no(zoneFound.reason, zoneFound.message);
  if (!wanted) return no('ZoneNotPublished', 'the zone has published no root key and directory yet');
  if (!nodeReady(wanted, statefulSet)) return no('PodNotReady', 'the superpeer’s pod is not ready');
  if (!isTrue(registered)) return no(registered.reason, registered.message);
  return { type: 'Ready', status: 'True', reason: 'Ready', message: 'the superpeer runs and is in the consensus' };
}
