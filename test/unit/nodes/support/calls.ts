import assert from 'node:assert/strict';
import type { VoiceIo } from '../../../../nodes/client/call.ts';
import type { CallEnd } from '../../../../nodes/client/client.ts';
import type { Network, NetworkClient } from './network.ts';

/** Plays frames that name their place, as every speaker of these tests does. */
export function speaker(): VoiceIo {
  let frame = 0;
  return {
    next: (into) => {
      into.fill(frame % 251);
      frame += 1;
    },
    heard: () => {},
  };
}

/** Says nothing and keeps what it hears: by the number of the frame, the byte that fills it. */
export function listener(): VoiceIo & { readonly frames: Map<number, number> } {
  const frames = new Map<number, number>();
  return {
    frames,
    next: (into) => into.fill(0xff),
    heard: (_now, counter, frame) => {
      assert(
        frame.every((byte) => byte === frame[0]),
        'a frame arrives whole',
      );
      frames.set(counter, frame[0]);
    },
  };
}

/** The call is up within the seconds, or the reason for which it ended. */
export function call(
  network: Network,
  caller: NetworkClient,
  callee: NetworkClient,
  seconds = 5,
): 'up' | CallEnd | 'waits' {
  endOf(caller);
  assert.equal(caller.machine.place(network.world.now, callee.contact), undefined);
  let ended: CallEnd | undefined;
  network.run(seconds, () => {
    ended ??= endOf(caller);
    return ended !== undefined || caller.machine.callState === 'talking';
  });
  return ended ?? (caller.machine.callState === 'talking' ? 'up' : 'waits');
}

/** Drains the events; why the last call among them ended. */
export function endOf({ machine }: NetworkClient): CallEnd | undefined {
  let reason: CallEnd | undefined;
  for (let event = machine.poll(); event; event = machine.poll())
    if (event.kind === 'call-ended') reason = event.reason;
  return reason;
}

/** Every frame says what its place says, and none is missing but what queues have given up to be on time. */
export function assertWhole(frames: ReadonlyMap<number, number>, least: number, givenUp: number): void {
  assert(frames.size >= least, `at least ${least} frames, got ${frames.size}`);
  for (const [counter, byte] of frames) assert.equal(byte, counter % 251, `frame ${counter}`);
  const missing = Math.max(...frames.keys()) + 1 - frames.size;
  assert(missing <= givenUp, `${missing} frames are missing, queues gave up ${givenUp}`);
}

/** A call between the two carries the callee's frames whole and in their places, for two seconds and a hang-up. */
export function assertTalk(network: Network, caller: NetworkClient, callee: NetworkClient): void {
  const heard = listener();
  caller.machine.voice = heard;
  callee.machine.voice = speaker();
  const before = network.givenUp();
  assert.equal(call(network, caller, callee), 'up');
  network.run(2);
  assertWhole(heard.frames, 80, network.givenUp() - before);
  caller.machine.hangUp();
  const idle = () => [caller, callee].every(({ machine }) => machine.callState === 'idle');
  assert(network.run(5, idle), 'both are idle after a hang-up');
}
