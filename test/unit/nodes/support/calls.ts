import assert from 'node:assert/strict';
import type { CallEnd } from '../../../../nodes/client/signalling.ts';
import { Listener } from '../../../sim/talk.ts';
import type { Network, SimClient } from '../../../sim/zones.ts';

/** The call, which the callee takes when it rings, is up within the seconds; or the reason for which it ended. */
export function call(network: Network, caller: SimClient, callee: SimClient, seconds = 5): 'up' | CallEnd | 'waits' {
  endOf(caller);
  assert.equal(caller.machine.place(caller.host.now, callee.contact), undefined);
  let ended: CallEnd | undefined;
  network.run(seconds, () => {
    callee.machine.answer(callee.host.now);
    ended ??= endOf(caller);
    return ended !== undefined || caller.machine.callState === 'talking';
  });
  return ended ?? (caller.machine.callState === 'talking' ? 'up' : 'waits');
}

/** Drains the events; why the last call among them ended. */
export function endOf({ machine }: SimClient): CallEnd | undefined {
  let reason: CallEnd | undefined;
  for (let event = machine.poll(); event; event = machine.poll())
    if (event.kind === 'call-ended') reason = event.reason;
  return reason;
}

/** Cells that queues of any node have given up, because they were full or only stood. */
export function givenUp(network: Network): number {
  return network.dropped('queue_full', 'queue_standing');
}

/** Of the newest frames one may still be on its way that another has overtaken. */
const OVERTAKEN = 5;

/** Every frame says what its place says, and none is missing but what queues have given up to be on time. */
export function assertWhole({ frames }: Listener, least: number, allowed: number): void {
  assert(frames.size >= least, `at least ${least} frames, got ${frames.size}`);
  for (const [counter, byte] of frames) assert.equal(byte, counter % 251, `frame ${counter}`);
  const settled = Math.max(...frames.keys()) - OVERTAKEN;
  const missing = settled + 1 - [...frames.keys()].filter((counter) => counter <= settled).length;
  assert(missing <= allowed, `${missing} frames are missing, queues gave up ${allowed}`);
}

/** A call between the two carries the callee's frames whole and in their places, for two seconds and a hang-up. */
export function assertTalk(network: Network, caller: SimClient, callee: SimClient): void {
  const heard = new Listener(network.world);
  caller.machine.voice = heard.voice;
  callee.machine.voice = new Listener(network.world).voice;
  const before = givenUp(network);
  assert.equal(call(network, caller, callee), 'up');
  network.run(2);
  assertWhole(heard, 80, givenUp(network) - before);
  caller.machine.hangUp();
  const idle = () => [caller, callee].every(({ machine }) => machine.callState === 'idle');
  assert(network.run(5, idle), 'both are idle after a hang-up');
}
