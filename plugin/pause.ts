/** kubectl herd pause, resume: spec.paused. */
import { zones } from '../operator/kube/types.ts';
import type { Command } from './arguments.ts';
import { type ExitCode, exitCodes } from './failures.ts';
import { readHerd, zonesOf } from './herd.ts';
import { agree, ownNamespace, type Session } from './session.ts';

const plans = {
  paused: [
    'The operator leaves the slots, pods and directory of the zone as they are: nothing is upgraded, drained or removed.',
    'Calls go on. Pods that die come back by their StatefulSets; what the spec says meanwhile is done on resume.',
  ],
  resumed: ['The operator does what the zone’s spec says by now, and drains slots where that takes it.'],
};

export const pause = (session: Session, command: Command) => setPaused(session, command, true);
export const resume = (session: Session, command: Command) => setPaused(session, command, false);

async function setPaused(session: Session, command: Command, paused: boolean): Promise<ExitCode> {
  const namespace = ownNamespace(session);
  const [zone] = zonesOf(await readHerd(session.client, namespace), command.name, namespace);
  const { name, uid } = zone!.metadata;
  const is = paused ? 'paused' : 'not paused';
  if (zone!.spec.paused === paused) {
    session.terminal.out(`Zone ${name} is ${is} already.\n`);
    return exitCodes.ok;
  }
  await agree(session, plans[paused ? 'paused' : 'resumed'], command.yes);
  await session.client.patch(zones, namespace, name, { metadata: { uid }, spec: { paused } });
  session.terminal.out(`Zone ${name} is ${is}.\n`);
  return exitCodes.ok;
}
