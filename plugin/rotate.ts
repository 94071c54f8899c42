/** kubectl herd rotate: keys that were made before now get successors. */
import type { NodeSlot } from '../operator/api/slot.ts';
import type { Zone } from '../operator/api/zone.ts';
import { rotateAnnotation } from '../operator/objects/labels.ts';
import { timeOf } from '../operator/plan/status.ts';
import type { Command } from './arguments.ts';
import { type ExitCode, exitCodes, Failure } from './failures.ts';
import { absent, type Herd, kindOf, readHerd, slotsOf } from './herd.ts';
import { newestKeys } from './keys.ts';
import { agree, ownNamespace, type Session } from './session.ts';
import { lengthOf } from './text.ts';

export type Target =
  | { readonly kind: 'slot'; readonly object: NodeSlot }
  | { readonly kind: 'zone'; readonly object: Zone };

export async function rotate(session: Session, command: Command): Promise<ExitCode> {
  const namespace = ownNamespace(session);
  const herd = await readHerd(session.client, namespace);
  const target = targetOf(herd, command.name!, namespace);
  await agree(session, rotatePlan(herd, target), command.yes);
  const { name, uid } = target.object.metadata;
  const annotations = { [rotateAnnotation]: timeOf(session.now()) };
  await session.client.patch(kindOf[target.kind], namespace, name, { metadata: { uid, annotations } });
  session.terminal.out('New keys are asked for.\n');
  return exitCodes.ok;
}

/** A superpeer's slot may be called as a zone: then the name says of what it is, as zone/NAME. @throws Failure */
export function targetOf(herd: Herd, word: string, namespace: string): Target {
  const [, kind, name] = /^(?:(zone|slot)\/)?(.*)$/.exec(word)!;
  const zone = kind === 'slot' ? undefined : herd.zones.find(({ metadata }) => metadata.name === name);
  const slot = kind === 'zone' ? undefined : herd.slots.find(({ metadata }) => metadata.name === name);
  if (zone && slot) throw new Failure('usage', `ZONE|SLOT ${word}: is both; say zone/${name} or slot/${name}`);
  if (zone) return { kind: 'zone', object: zone };
  if (slot) return { kind: 'slot', object: slot };
  throw new Failure('refused', `ZONE|SLOT ${word}: ${absent(namespace)}`);
}

export function rotatePlan(herd: Herd, { kind, object }: Target): string[] {
  const slots = kind === 'slot' ? [object] : slotsOf(herd, object);
  const epochSeconds =
    kind === 'slot' ? object.spec.keys.epochSeconds : (slots[0]?.spec.keys.epochSeconds ?? object.spec.epochSeconds);
  const owners = [
    ...(kind === 'zone' ? [{ name: `${object.metadata.name}, its directory`, keys: object.status?.keys }] : []),
  ];
  for (const { metadata, status } of slots) owners.push({ name: metadata.name, keys: status?.keys });
  return [
    ...owners.map(({ name, keys }) => {
      const names = newestKeys(keys).map((key) => key.name);
      return `${name}: successors of ${names.length > 0 ? names.join(', ') : 'its keys'}`;
    }),
    `The new keys are in force after two epochs, within ${lengthOf(2 * epochSeconds * 1000)}; the ones before go after four.`,
    'A key whose successor is under way already gets no other. No call ends.',
  ];
}
