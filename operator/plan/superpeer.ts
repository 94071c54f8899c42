/** What a Superpeer needs: (view, now) → its slot, status. Pure. One that others run has no slot: it is admitted when somebody has approved it. */
import { UNSERVICEABLE } from '../../nodes/config/verdict.ts';
import type { CertifiedText } from '../../nodes/crypto/signed.ts';
import type { SuperpeerConditionType } from '../api/conditions.ts';
import type { Superpeer, SuperpeerStatus } from '../api/superpeer.ts';
import type { Zone } from '../api/zone.ts';
import type { Manifest } from '../kube/types.ts';
import { readmitAnnotation, regionSelector } from '../objects/labels.ts';
import { memberSlotManifest, type SlotWish, slotManifest } from '../objects/slot.ts';
import type { ListedNode } from './directory-nodes.ts';
import { isSameMember, type MemberView, mayBeMade, memberId, memberOfRegion, type PlacedSlot } from './members.ts';
import { takeReceipts, validShare } from './receipts.ts';
import { askedMs, conditions, type Finding, isPassing, isTrue, judgeReached, sayReady } from './status.ts';
import { isApproved, type Removal, slotTerms } from './zone.ts';

export interface SuperpeerView {
  readonly superpeer: Superpeer;
  /** The zone that zoneRef names, if it exists. */
  readonly zone: Zone | undefined;
  /** The zone whose directory serves that one. */
  readonly host: Zone | undefined;
  /** Wherever it is. */
  readonly slot: PlacedSlot | undefined;
  /** Of the zone. */
  readonly members: readonly MemberView[];
  /** What the zone's directory says of it: undefined when it can't be asked, 'absent' when the roster has no such node. */
  readonly listed: ListedNode | 'absent' | undefined;
  /** What the directory says that it has carried, not verified. */
  readonly receipts: readonly CertifiedText[];
}

export interface SuperpeerPlan {
  readonly apply: readonly Manifest[];
  readonly remove: readonly Removal[];
  /** The slot, where it is to be in another cluster. */
  readonly member: { readonly id: string; readonly home: string; readonly manifest: Manifest } | undefined;
  readonly status: SuperpeerStatus;
  /** Whether the status can wait until it has lasted. */
  readonly isPassing: boolean;
  readonly requeueAfterMs: number;
}

type SuperpeerFinding = Finding<SuperpeerConditionType>;

/** Pods tell of themselves; only what the consensus says has to be asked for. */
const pollMs = 60_000;
const pollUnreadyMs = 2_000;

export function planSuperpeer(view: SuperpeerView, nowMs: number): SuperpeerPlan {
  const { superpeer, slot } = view;
  const { generation } = superpeer.metadata;
  const findings = judge(view);
  const identityKey = superpeer.spec.external?.identityKey ?? slot?.status?.identityKey;
  const status: SuperpeerStatus = {
    observedGeneration: generation,
    conditions: conditions(findings, superpeer.status?.conditions ?? [], generation, nowMs),
    ...(identityKey ? { identityKey } : {}),
    ...carried(view),
  };
  return {
    ...wish(view),
    status,
    // Whoever has made it wants to see that it was seen.
    isPassing:
      !!superpeer.status && isPassing(superpeer.status, status, ['identityKey'], ['Ready', 'Trusted', 'ZoneFound']),
    requeueAfterMs: isWaiting(view, findings) ? pollUnreadyMs : pollMs,
  };
}

function carried({ superpeer, zone, receipts: told }: SuperpeerView): Partial<SuperpeerStatus> {
  const { metadata, spec, status } = superpeer;
  const known = status?.receipts ?? [];
  const rootKey = zone?.status?.rootKey;
  const payment = spec.payment ?? zone?.spec.superpeerPayment;
  const payee = { zone: spec.zoneRef, superpeer: metadata.name, payment };
  const receipts = rootKey ? takeReceipts(known, told, { ...payee, rootKey }) : known;
  const last = receipts.at(-1);
  if (!last) return {};
  return { receipts, lastValid: validShare(last), ...(last.payout !== undefined && { lastPayout: last.payout }) };
}

/** A slot tells when it has changed; nobody tells of what others run, or of what a directory says of one that is up. */
function isWaiting(view: SuperpeerView, findings: readonly SuperpeerFinding[]): boolean {
  const { superpeer, slot } = view;
  if (memberOf(view)?.problem) return false;
  return (superpeer.spec.external !== undefined || slot?.status?.state === 'Active') && !sayReady(findings);
}

/** Nothing is made before there is a directory to register with. A slot that is here and should be in another cluster goes first. */
function wish(view: SuperpeerView): Pick<SuperpeerPlan, 'apply' | 'remove' | 'member'> {
  const { superpeer, zone, slot } = view;
  const { managed } = superpeer.spec;
  const nothing = { apply: [], remove: [], member: undefined };
  if (!managed) return nothing;
  const { name } = superpeer.metadata;
  const { region } = managed;
  const member = zone && memberOfRegion(zone, region);
  const isStray = member !== undefined && slot !== undefined && slot.member === undefined;
  if (isStray) return { ...nothing, remove: slot.metadata.deletionTimestamp ? [] : [{ kind: 'NodeSlot', name }] };
  const slots = slot ? [slot] : [];
  const mayBe = zone ? mayBeMade({ name, region, member }, { ...view, zone, slots }) : slot?.member === undefined;
  if (!mayBe || isTaken(view)) return nothing;
  const spec = slotWish(view, region, managed.nodeSelector ?? regionSelector(region));
  if (!slot && !spec.directory) return nothing;
  if (!zone || !member)
    return { ...nothing, apply: [slotManifest({ kind: 'Superpeer', metadata: superpeer.metadata }, name, spec)] };
  const manifest = memberSlotManifest(zone.metadata, { namespace: member.namespace, name }, spec);
  return { ...nothing, member: { id: memberId(member), home: zone.metadata.uid, manifest } };
}

/** Where its slot is to be in another cluster. */
function memberOf({ superpeer, zone, members }: SuperpeerView): MemberView | undefined {
  const ref = zone && memberOfRegion(zone, superpeer.spec.managed?.region);
  return ref && members.find((member) => isSameMember(member, ref));
}

const isTaken = (view: SuperpeerView) => memberOf(view)?.taken.has(view.superpeer.metadata.name) === true;

function slotWish(view: SuperpeerView, region: string, nodeSelector: SlotWish['nodeSelector']): SlotWish {
  const { superpeer, zone } = view;
  const { rootKey, directoryURL: url } = zone?.status ?? {};
  return {
    zone: superpeer.spec.zoneRef,
    role: 'superpeer',
    region,
    nodeSelector,
    ...(zone ? slotTerms(view.host ? [view.host] : [], zone) : {}),
    ...(rootKey && url ? { directory: { url, rootKey } } : {}),
  };
}

function judge(view: SuperpeerView): SuperpeerFinding[] {
  const zoneFound = judgeZone(view);
  const registered = judgeRegistered(view);
  const trusted = judgeTrusted(view);
  const first = [zoneFound, ...(isApproved(view.superpeer) ? [] : [pending]), trusted];
  return [zoneFound, trusted, registered, judgeReached(view.listed), judgeReady(view, [...first, registered])];
}

const no = (type: SuperpeerConditionType, reason: string, message: string): SuperpeerFinding => ({
  type,
  status: 'False',
  reason,
  message,
});

const pending = no('Approved', 'NotApproved', 'nobody has approved the superpeer');

function judgeZone({ superpeer, zone }: SuperpeerView): SuperpeerFinding {
  const name = superpeer.spec.zoneRef;
  if (zone) return { type: 'ZoneFound', status: 'True', reason: 'ZoneFound', message: `zone ${name} exists` };
  const message = `zone ${name} does not exist in namespace ${superpeer.metadata.namespace}`;
  return no('ZoneFound', 'ZoneNotFound', message);
}

function judgeRegistered({ listed }: SuperpeerView): SuperpeerFinding {
  if (listed === undefined) return no('Registered', 'NotAsked', 'the zone’s directory has not answered');
  if (listed === 'absent' || !listed.registered)
    return no('Registered', 'NotInConsensus', 'the zone’s consensus does not list the superpeer');
  const message = 'the zone’s consensus lists the superpeer';
  return { type: 'Registered', status: 'True', reason: 'InConsensus', message };
}

/** A verdict stands until somebody forgives it: what the directory knows of it goes when the roster no longer has the superpeer. */
function judgeTrusted({ superpeer, listed }: SuperpeerView): SuperpeerFinding {
  const verdict = listed === undefined || listed === 'absent' ? undefined : listed.expelled;
  if (verdict === UNSERVICEABLE)
    return no('Trusted', 'Unserviceable', 'too few of its clients’ packets come through the superpeer');
  if (verdict !== undefined)
    return no('Trusted', 'Expelled', `a mix of the zone has found the superpeer out: ${verdict}`);
  const before = superpeer.status?.conditions.find(({ type }) => type === 'Trusted');
  const forgivenMs = askedMs(superpeer.metadata.annotations?.[readmitAnnotation]);
  if (before?.status === 'False' && forgivenMs <= Date.parse(before.lastTransitionTime))
    return no('Trusted', before.reason, before.message);
  return { type: 'Trusted', status: 'True', reason: 'NoVerdict', message: 'no mix has found the superpeer out' };
}

function judgeReady(view: SuperpeerView, needed: readonly SuperpeerFinding[]): SuperpeerFinding {
  const missing = needed.find((finding) => !isTrue(finding));
  if (missing) return no('Ready', missing.reason, missing.message);
  const { superpeer, slot } = view;
  const problem = memberOf(view)?.problem;
  if (problem) return { type: 'Ready', status: 'Unknown', ...problem };
  if (isTaken(view)) return no('Ready', 'SlotOfAnother', 'its cluster has a NodeSlot of its name of another Zone');
  const state = slot?.status?.state;
  if (superpeer.spec.managed && state !== 'Active')
    return no('Ready', 'NotActive', `its slot is ${state ?? 'not there'}`);
  return { type: 'Ready', status: 'True', reason: 'Ready', message: 'the superpeer runs and is in the consensus' };
}
