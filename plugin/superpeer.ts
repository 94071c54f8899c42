/** kubectl herd superpeer approve, quarantine, readmit, receipts. */
import type { Condition } from '../operator/api/conditions.ts';
import { apiVersion } from '../operator/api/fields.ts';
import { parseSuperpeer, type Superpeer } from '../operator/api/superpeer.ts';
import { type CustomResource, type Manifest, superpeers } from '../operator/kube/types.ts';
import { readmitAnnotation } from '../operator/objects/labels.ts';
import { timeOf } from '../operator/plan/status.ts';
import type { Command } from './arguments.ts';
import { type ExitCode, exitCodes, Failure } from './failures.ts';
import { absent } from './herd.ts';
import { agree, oneNamespace, type Session } from './session.ts';
import { formatted, table } from './text.ts';

/** Who has set the condition Approved. */
const fieldManager = 'kubectl-herd';

export async function approve(session: Session, command: Command): Promise<ExitCode> {
  const superpeer = await find(session, command.name!);
  const { name } = superpeer.metadata;
  if (!superpeer.spec.external) {
    session.terminal.out(`${name} runs as a pod of the zone: it needs no approval.\n`);
    return exitCodes.ok;
  }
  if (conditionOf(superpeer, 'Approved')?.status === 'True') {
    session.terminal.out(`${name} is approved already.\n`);
    return exitCodes.ok;
  }
  const plan = [
    `${name} is admitted to zone ${superpeer.spec.zoneRef}: clients’ traffic goes through it from the next epoch on`,
    `its identity key is ${superpeer.spec.external.identityKey}; its host must have told the same`,
    ...(conditionOf(superpeer, 'Trusted')?.status === 'False'
      ? ['a mix has found it out before: without readmit it stays out of the roster']
      : []),
  ];
  await agree(session, plan, command.yes);
  await setApproved(session, superpeer, 'True', 'Approved', 'approved with kubectl herd');
  session.terminal.out(`${name} is approved.\n`);
  return exitCodes.ok;
}

export async function quarantine(session: Session, command: Command): Promise<ExitCode> {
  const superpeer = await find(session, command.name!);
  const { name } = superpeer.metadata;
  if (!superpeer.spec.external) {
    throw new Failure(
      'refused',
      `SUPERPEER ${name}: the operator runs it, and has no quarantine for those that it runs; drain its slot (kubectl herd drain ${name}) or delete it`,
    );
  }
  const plan = [
    `${name} leaves the roster of zone ${superpeer.spec.zoneRef} at once, without draining: its clients go to their other channels`,
    'kubectl herd superpeer approve takes it back',
  ];
  await agree(session, plan, command.yes);
  await setApproved(session, superpeer, 'False', 'Quarantined', 'quarantined with kubectl herd');
  session.terminal.out(`${name} is in quarantine.\n`);
  return exitCodes.ok;
}

export async function readmit(session: Session, command: Command): Promise<ExitCode> {
  const superpeer = await find(session, command.name!);
  const { namespace, name, uid } = superpeer.metadata;
  const verdict = conditionOf(superpeer, 'Trusted');
  if (verdict?.status !== 'False') {
    const approved = conditionOf(superpeer, 'Approved');
    const hint = approved?.status === 'False' ? ' It is in quarantine: approve takes it back.' : '';
    session.terminal.out(`No mix has found ${name} out.${hint}\n`);
    return exitCodes.ok;
  }
  await agree(session, [`forgiven is: ${verdict.message}`, `${name} carries clients’ traffic again`], command.yes);
  const annotations = { [readmitAnnotation]: timeOf(session.now()) };
  await session.client.patch(superpeers, namespace, name, { metadata: { uid, annotations } });
  session.terminal.out(`${name} is readmitted.\n`);
  return exitCodes.ok;
}

const conditionOf = ({ status }: Superpeer, type: string): Condition | undefined =>
  status?.conditions.find((condition) => condition.type === type);

async function find(session: Session, name: string): Promise<Superpeer> {
  const parsed = parseSuperpeer(await read(session, name));
  if (!parsed.ok) throw new Failure('refused', ...parsed.problems.map((problem) => `SUPERPEER ${name}: ${problem}`));
  return parsed.value;
}

async function read(session: Session, name: string): Promise<CustomResource> {
  const namespace = oneNamespace(session);
  const raw = await session.client.get(superpeers, namespace, name);
  if (!raw) throw new Failure('refused', `SUPERPEER ${name}: ${absent(namespace)}`);
  return raw;
}

/** A condition of its own manager, beside those of the operator. */
async function setApproved(session: Session, superpeer: Superpeer, status: string, reason: string, message: string) {
  const { namespace, name, uid, generation } = superpeer.metadata;
  if (!superpeer.status) throw new Failure('refused', `SUPERPEER ${name}: the operator has not looked at it yet`);
  const condition = {
    ...{ type: 'Approved', status, reason, message },
    observedGeneration: generation,
    lastTransitionTime: timeOf(session.now()),
  };
  const manifest: Manifest & { status: object } = {
    apiVersion,
    kind: 'Superpeer',
    metadata: { namespace, name, uid },
    status: { conditions: [condition] },
  };
  await session.client.applyStatus(superpeers, manifest, fieldManager);
}

export async function receipts(session: Session, command: Command): Promise<ExitCode> {
  const raw = await read(session, command.name!);
  const seen = (raw.status ?? {}) as { receipts?: unknown; payout?: unknown };
  const list = Array.isArray(seen.receipts) ? seen.receipts.filter((one) => typeof one === 'object' && one) : [];
  const data = {
    superpeer: command.name,
    receipts: list,
    ...(seen.payout === undefined ? {} : { payout: seen.payout }),
  };
  session.terminal.out(formatted(command.output, data, () => drawReceipts(list, seen.payout)));
  return exitCodes.ok;
}

/** Whatever fields they have: names of their own are the heading. */
export function drawReceipts(receipts: readonly object[], payout: unknown): string {
  if (receipts.length === 0) return 'There are no receipts yet.\n';
  const fields = [...new Set(receipts.flatMap((receipt) => Object.keys(receipt)))];
  const rows = receipts.map((receipt) => fields.map((field) => textOf((receipt as Record<string, unknown>)[field])));
  const owed = payout === undefined ? '' : `payout: ${textOf(payout)}\n`;
  return `${table(
    fields.map((field) => field.toUpperCase()),
    rows,
  )}${owed}`;
}

function textOf(value: unknown): string {
  if (value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
