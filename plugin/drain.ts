/** kubectl herd drain, undrain: the annotation by which people ask a slot to drain. */
import type { NodeSlot } from '../operator/api/slot.ts';
import { nodeSlots } from '../operator/kube/types.ts';
import { drainAnnotation } from '../operator/objects/labels.ts';
import { timeOf } from '../operator/plan/status.ts';
import type { Command } from './arguments.ts';
import { type ExitCode, exitCodes, Failure } from './failures.ts';
import { absent, type Herd, readHerd } from './herd.ts';
import { agree, ownNamespace, type Session } from './session.ts';
import { lengthOf, plural } from './text.ts';

export async function drain(session: Session, command: Command): Promise<ExitCode> {
  const namespace = ownNamespace(session);
  const herd = await readHerd(session.client, namespace);
  const slots = chosen(herd, command, namespace).filter((slot) => !isAsked(slot));
  if (slots.length === 0) return told(session, 'All of them are asked to drain already.');
  await agree(session, drainPlan(herd, slots), command.yes);
  await annotate(session, slots, timeOf(session.now()));
  return told(session, `${plural(slots.length, 'slot')} asked to drain; kubectl herd status tells how far it is.`);
}

export async function undrain(session: Session, command: Command): Promise<ExitCode> {
  const namespace = ownNamespace(session);
  const herd = await readHerd(session.client, namespace);
  const slots = chosen(herd, command, namespace).filter(isAsked);
  if (slots.length === 0) return told(session, 'None of them was asked to drain.');
  await agree(
    session,
    slots.map((slot) => `${slot.metadata.name} takes calls again`),
    command.yes,
  );
  await annotate(session, slots, null);
  return told(session, `${plural(slots.length, 'slot')} back in use from the directory’s next epoch on.`);
}

const told = ({ terminal }: Session, text: string): ExitCode => {
  terminal.out(`${text}\n`);
  return exitCodes.ok;
};

const isAsked = ({ metadata }: NodeSlot) => metadata.annotations?.[drainAnnotation] !== undefined;

/** @throws Failure */
export function chosen(herd: Herd, { name, machine }: Command, namespace: string): NodeSlot[] {
  const slots = herd.slots.filter((slot) =>
    name === undefined ? slot.status?.machine === machine : slot.metadata.name === name,
  );
  if (slots.length > 0) return slots;
  const what = name === undefined ? `--machine ${machine}: no slot of this namespace is on it` : `SLOT ${name}:`;
  throw new Failure('refused', name === undefined ? what : `${what} ${absent(namespace)}`);
}

async function annotate({ client }: Session, slots: readonly NodeSlot[], value: string | null) {
  for (const { metadata } of slots) {
    const { namespace, name, uid } = metadata;
    await client.patch(nodeSlots, namespace, name, { metadata: { uid, annotations: { [drainAnnotation]: value } } });
  }
}

/** What becomes of each, one at a time, and who is left to take its calls. */
export function drainPlan(herd: Herd, slots: readonly NodeSlot[]): string[] {
  const going = new Set(slots.map(({ metadata }) => metadata.name));
  return slots.flatMap(({ metadata, spec, status }) => {
    const { name, namespace } = metadata;
    const others = herd.slots.filter(
      (other) =>
        other.metadata.name !== name &&
        other.metadata.namespace === namespace &&
        other.spec.zone === spec.zone &&
        other.spec.role === spec.role,
    );
    const stay = others.filter((other) => !going.has(other.metadata.name));
    const waits = others.filter((other) => other.status?.state !== 'Active').map((other) => other.metadata.name);
    const atMost = lengthOf(spec.drainDeadlineSeconds * 1000);
    return [
      `${name} (${spec.role} of zone ${spec.zone}, ${status?.state ?? 'Pending'}) drains within ${atMost} and stays drained`,
      ...(stay.length === 0 ? [`  nobody is left to take its calls: no other ${spec.role} of the zone stays`] : []),
      ...(waits.length > 0 ? [`  it waits until these are Active: ${waits.join(', ')}`] : []),
    ];
  });
}
