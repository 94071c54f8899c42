/** kubectl herd superpeer approve, quarantine, readmit, receipts. */
import type { Condition } from '../operator/api/conditions.ts';
import { apiVersion } from '../operator/api/fields.ts';
import { parseSuperpeer, type ReceiptState, type Superpeer } from '../operator/api/superpeer.ts';
import { type Manifest, superpeers } from '../operator/kube/types.ts';
import { readmitAnnotation } from '../operator/objects/labels.ts';
import { validShare } from '../operator/plan/receipts.ts';
import { timeOf } from '../operator/plan/status.ts';
import type { Command } from './arguments.ts';
import { type ExitCode, exitCodes, Failure } from './failures.ts';
import { absent } from './herd.ts';
import { agree, ownNamespace, type Session } from './session.ts';
import { formatted, table } from './text.ts';

/** Who has set the condition Approved. */
const fieldManager = 'kubectl-herd';
const lookMs = 500;
const lookMsMax = 10_000;

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
  const namespace = ownNamespace(session);
  const raw = await session.client.get(superpeers, namespace, name);
  if (!raw) throw new Failure('refused', `SUPERPEER ${name}: ${absent(namespace)}`);
  const parsed = parseSuperpeer(raw);
  if (!parsed.ok) throw new Failure('refused', ...parsed.problems.map((problem) => `SUPERPEER ${name}: ${problem}`));
  return parsed.value;
}

async function looked(session: Session, name: string): Promise<Superpeer> {
  for (let waitedMs = 0; ; waitedMs += lookMs) {
    const superpeer = await find(session, name);
    if (superpeer.status || waitedMs >= lookMsMax) return superpeer;
    await session.sleep(lookMs);
  }
}

/** A condition of its own manager, beside those of the operator. */
async function setApproved(session: Session, superpeer: Superpeer, status: string, reason: string, message: string) {
  const { namespace, name, uid, generation } = superpeer.metadata;
  // Whoever has just made it need not know that the operator comes first.
  const { status: seen } = superpeer.status ? superpeer : await looked(session, name);
  if (!seen) throw new Failure('refused', `SUPERPEER ${name}: the operator has not looked at it yet`);
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
  const { metadata, status } = await find(session, command.name!);
  const list = status?.receipts ?? [];
  session.terminal.out(
    formatted(command.output, { superpeer: metadata.name, receipts: list }, () => drawReceipts(list)),
  );
  return exitCodes.ok;
}

export function drawReceipts(receipts: readonly ReceiptState[]): string {
  if (receipts.length === 0) return 'There are no receipts yet.\n';
  const rows = receipts.map((receipt) => [
    receipt.from,
    receipt.until,
    String(receipt.channels),
    String(receipt.roundsExpected),
    String(receipt.roundsValid),
    String(receipt.roundsBad),
    validShare(receipt),
    receipt.expelled ? 'expelled' : (receipt.payout ?? ''),
  ]);
  return table(['FROM', 'UNTIL', 'CHANNELS', 'EXPECTED', 'VALID', 'BAD', 'SHARE', 'PAYOUT'], rows);
}
