/** kubectl herd status: what is wrong comes first. */
import type { Condition } from '../operator/api/conditions.ts';
import type { NodeSlot } from '../operator/api/slot.ts';
import type { Superpeer } from '../operator/api/superpeer.ts';
import type { Zone } from '../operator/api/zone.ts';
import type { Command } from './arguments.ts';
import { type ExitCode, exitCodes } from './failures.ts';
import { type Herd, readHerd, slotsOf, superpeersOf, zonesOf } from './herd.ts';
import { keysText, overdue } from './keys.ts';
import type { Session } from './session.ts';
import { formatted, lengthOf, table } from './text.ts';

export interface Wrong {
  readonly kind: 'NodeSlot' | 'Superpeer' | 'Zone';
  readonly name: string;
  readonly reason: string;
  readonly message: string;
}

export interface SlotGlance {
  readonly name: string;
  readonly role: string;
  readonly region: string;
  readonly state: string;
  readonly drain: string;
  readonly machine: string;
  readonly keys: string;
  /** Where others reach it. */
  readonly address: string;
  readonly ready: string;
}

export interface SuperpeerGlance {
  readonly name: string;
  readonly run: 'external' | 'managed';
  readonly channels: number;
  readonly approved: string;
  readonly trusted: string;
  readonly ready: string;
}

export interface ZoneGlance {
  readonly namespace: string;
  readonly name: string;
  readonly wrong: readonly Wrong[];
  readonly ready: string;
  readonly progress: string;
  readonly epoch: number | undefined;
  readonly mixes: string;
  readonly rendezvous: string;
  readonly superpeersReady: string;
  readonly directory: string;
  readonly keys: string;
  readonly conditions: readonly Condition[];
  readonly slots: readonly SlotGlance[];
  readonly superpeers: readonly SuperpeerGlance[];
}

export async function status(session: Session, command: Command): Promise<ExitCode> {
  const herd = await readHerd(session.client, session.namespace);
  const zones = zonesOf(herd, command.name, session.namespace).map((zone) => glance(herd, zone, session.now()));
  const draw = (isWide: boolean) => drawStatus(zones, herd.unread, command.name !== undefined, isWide);
  session.terminal.out(formatted(command.output, { zones, unread: herd.unread }, draw));
  return zones.some(({ wrong }) => wrong.length > 0) || herd.unread.length > 0 ? exitCodes.wrong : exitCodes.ok;
}

export function glance(herd: Herd, zone: Zone, nowMs: number): ZoneGlance {
  const slots = slotsOf(herd, zone);
  const superpeers = superpeersOf(herd, zone);
  const { metadata, status } = zone;
  const said = (type: string) => status?.conditions.find((condition) => condition.type === type);
  const progress = said('Progressing');
  return {
    namespace: metadata.namespace,
    name: metadata.name,
    wrong: [
      ...wrongOfZone(zone, nowMs),
      ...slots.flatMap((slot) => wrongOfSlot(slot, nowMs)),
      ...superpeers.flatMap((superpeer) => wrongOfSuperpeer(superpeer)),
    ],
    ready: wordOf(said('Ready')),
    progress: progress ? `${progress.reason}: ${progress.message}` : '',
    epoch: status?.epoch,
    mixes: status?.mixesReady ?? '',
    rendezvous: status?.rendezvousReady ?? '',
    superpeersReady: status?.superpeersReady ?? '',
    directory: status?.directoryURL ?? '',
    keys: keysText(status?.keys, nowMs),
    conditions: status?.conditions ?? [],
    slots: slots.map((slot) => slotGlance(slot, nowMs)),
    superpeers: superpeers.map(superpeerGlance),
  };
}

const wordOf = (condition: Condition | undefined): string => {
  if (!condition) return '';
  return condition.status === 'True' ? 'True' : `${condition.status} ${condition.reason}`;
};

function slotGlance({ metadata, spec, status }: NodeSlot, nowMs: number): SlotGlance {
  const { drainReason, drainingSince, drained } = status ?? {};
  const since = drainingSince ? ` ${lengthOf(nowMs - Date.parse(drainingSince))}` : ' waits';
  return {
    name: metadata.name,
    role: spec.role,
    region: spec.region,
    state: status?.state ?? '',
    drain: drainReason ? `${drainReason}${drained ? ' done' : since}` : '',
    machine: status?.machine ?? '',
    keys: keysText(status?.keys, nowMs),
    address: status?.address ?? '',
    ready: wordOf(status?.conditions.find(({ type }) => type === 'Ready')),
  };
}

function superpeerGlance({ metadata, spec, status }: Superpeer): SuperpeerGlance {
  const said = (type: string) => wordOf(status?.conditions.find((condition) => condition.type === type));
  return {
    name: metadata.name,
    run: spec.managed ? 'managed' : 'external',
    channels: spec.channels,
    approved: spec.managed ? '' : said('Approved') || 'not yet',
    trusted: said('Trusted'),
    ready: said('Ready'),
  };
}

interface Judged {
  readonly metadata: { readonly name: string; readonly generation: number };
  readonly status: { readonly observedGeneration: number; readonly conditions: readonly Condition[] } | undefined;
}

/** Conditions that say by False that something is wrong, Unknown is no word yet; of two with one reason the one that is not Ready. */
function falseOnes(kind: Wrong['kind'], { metadata, status }: Judged): Wrong[] {
  const { name } = metadata;
  if (!status) return [{ kind, name, reason: 'NoStatus', message: 'the operator has said nothing of it yet' }];
  const bad = status.conditions.filter((c) => c.type !== 'Progressing' && c.status === 'False');
  const told = bad.filter((c) => c.type !== 'Ready' || !bad.some((o) => o.type !== 'Ready' && o.reason === c.reason));
  const late = status.observedGeneration < metadata.generation;
  return [
    ...told.map(({ reason, message }) => ({ kind, name, reason, message })),
    ...(late ? [{ kind, name, reason: 'NotObserved', message: 'the operator has not seen the last change yet' }] : []),
  ];
}

const keyWrongs = (kind: Wrong['kind'], name: string, keys: Parameters<typeof overdue>[0], nowMs: number): Wrong[] =>
  overdue(keys, nowMs).map((key) => ({
    kind,
    name,
    reason: 'KeyOverdue',
    message: `key ${key.name} should have had a successor since ${key.expires}`,
  }));

export const wrongOfZone = (zone: Zone, nowMs: number): Wrong[] => [
  ...falseOnes('Zone', zone),
  ...keyWrongs('Zone', zone.metadata.name, zone.status?.keys, nowMs),
];

/** A node that drains as it should is no fault. */
export function wrongOfSlot(slot: NodeSlot, nowMs: number): Wrong[] {
  const { metadata, status } = slot;
  const drains = status?.drainReason !== undefined && slot.spec.drain;
  return [
    ...(drains ? [] : falseOnes('NodeSlot', slot).filter(({ reason }) => reason !== 'Draining')),
    ...keyWrongs('NodeSlot', metadata.name, status?.keys, nowMs),
  ];
}

/** What is wrong with its node its slot tells. */
export const wrongOfSuperpeer = (superpeer: Superpeer): Wrong[] =>
  falseOnes('Superpeer', superpeer).filter(({ reason }) => reason !== 'NotActive');

export function drawStatus(
  zones: readonly ZoneGlance[],
  unread: readonly string[],
  isOne: boolean,
  isWide: boolean,
): string {
  const wrong = zones.flatMap((zone) => zone.wrong.map((each) => [zone.namespace, each] as const));
  const parts = [
    unread.map((line) => `cannot be read: ${line}\n`).join(''),
    wrong.length === 0
      ? zones.length === 0
        ? 'There are no zones.\n'
        : 'Nothing is wrong.\n'
      : `WRONG\n${table(
          ['NAMESPACE', 'KIND', 'NAME', 'REASON', 'MESSAGE'],
          wrong.map(([namespace, { kind, name, reason, message }]) => [namespace, kind, name, reason, message]),
        )}`,
    zones.length === 0 ? '' : `ZONES\n${zoneTable(zones, isWide)}`,
    ...(isOne || isWide ? zones.map((zone) => drawOne(zone, isWide)) : []),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function zoneTable(zones: readonly ZoneGlance[], isWide: boolean): string {
  return table(
    [
      'NAMESPACE',
      'ZONE',
      'READY',
      'MIXES',
      'RENDEZVOUS',
      'SUPERPEERS',
      'EPOCH',
      ...(isWide ? ['DIRECTORY', 'KEYS'] : []),
    ],
    zones.map((zone) => [
      zone.namespace,
      zone.name,
      zone.ready,
      zone.mixes,
      zone.rendezvous,
      zone.superpeersReady,
      String(zone.epoch ?? ''),
      ...(isWide ? [zone.directory, zone.keys] : []),
    ]),
  );
}

function drawOne(zone: ZoneGlance, isWide: boolean): string {
  const conditions = zone.conditions.map(({ type, status, reason, message }) => [type, status, reason, message]);
  const slots = zone.slots.map((slot) => [
    slot.name,
    slot.role,
    slot.region,
    slot.state,
    slot.drain,
    slot.machine,
    slot.keys,
    ...(isWide ? [slot.address, slot.ready] : []),
  ]);
  const superpeers = zone.superpeers.map((each) => [
    each.name,
    each.run,
    String(each.channels),
    each.approved,
    each.trusted,
    each.ready,
  ]);
  return [
    `CONDITIONS of ${zone.name}\n${table(['TYPE', 'STATUS', 'REASON', 'MESSAGE'], conditions)}`,
    `SLOTS of ${zone.name}\n${table(['NAME', 'ROLE', 'REGION', 'STATE', 'DRAIN', 'MACHINE', 'KEYS', ...(isWide ? ['ADDRESS', 'READY'] : [])], slots)}`,
    ...(superpeers.length === 0
      ? []
      : [
          `SUPERPEERS of ${zone.name}\n${table(['NAME', 'RUN', 'CHANNELS', 'APPROVED', 'TRUSTED', 'READY'], superpeers)}`,
        ]),
  ].join('\n');
}
