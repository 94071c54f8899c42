import { randomBytes } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { MULAW_SILENCE } from '../../nodes/client/g711.ts';
import { MILLISECOND_US, type Micros, SECOND_US } from '../../nodes/core/units.ts';
import { type CrowdMember, type CrowdPlan, type CrowdWork, hostCrowd, runCrowd, tell } from '../crowd/crowd.ts';

/**
 * Calls that stand: every caller has its callee, calls it as soon as both are attached, talks until the end, and calls
 * again when the call was dropped. Both ends tell of every silence. Run where the zones' nodes can be reached:
 *
 *   node lab/chaos/callers.ts PLAN          PLAN is the JSON of a CrowdPlan; prints a CallNews a line, until it is killed
 *
 * The first half of all clients calls the second half, in the order of the zones: so with two zones every call is between
 * them, and an end in each sends and hears.
 */
export type CallNews =
  /** How many calls are up, when that has changed. */
  | { readonly kind: 'up'; readonly calls: number; readonly attached: number }
  /** One end heard nothing for so long, in a call that went on. */
  | { readonly kind: 'gap'; readonly ms: number }
  /** One end's call ended although nobody hung up. */
  | { readonly kind: 'dropped' };

/** A silence that a person notices (the bar of the project's issue on operating calmly). */
export const GAP_MS = 150;
const FRAME_MS = 20;
const REDIAL_US = 2 * SECOND_US;

interface End {
  readonly member: CrowdMember;
  /** undefined: it is called. */
  readonly contact: string | undefined;
  up: boolean;
  heardAt: Micros | undefined;
  redialAt: Micros;
}

function talk(_plan: CrowdPlan, members: readonly CrowdMember[]): CrowdWork {
  const inOrder = members.toSorted((a, b) => a.port - b.port);
  const half = inOrder.length / 2;
  const ends = new Map<CrowdMember, End>();
  for (const [index, member] of inOrder.entries()) {
    const contact = index < half ? inOrder[index + half]!.contact : undefined;
    const end: End = { member, contact, up: false, heardAt: undefined, redialAt: 0 };
    ends.set(member, end);
    member.machine.voice = { next: (into) => into.fill(MULAW_SILENCE), heard: (now) => heard(end, now) };
  }
  let told = '';
  return {
    after: (now, member) => step(ends.get(member)!, now),
    round: () => {
      const calls = [...ends.values()].filter(({ up, contact }) => up && contact !== undefined).length;
      const attached = members.filter(({ machine }) => machine.attached).length;
      const text = `${calls} ${attached}`;
      if (text !== told) tell({ kind: 'up', calls, attached } satisfies CallNews);
      told = text;
      return false;
    },
  };
}

function heard(end: End, now: Micros): void {
  const silence = end.heardAt === undefined ? 0 : (now - end.heardAt) / MILLISECOND_US - FRAME_MS;
  if (silence > GAP_MS) tell({ kind: 'gap', ms: Math.round(silence) } satisfies CallNews);
  end.heardAt = now;
}

function step(end: End, now: Micros): void {
  const { machine } = end.member;
  for (let event = machine.poll(); event; event = machine.poll()) {
    if (event.kind === 'ringing') machine.answer(now);
    else if (event.kind === 'call-up') end.up = true;
    else if (event.kind === 'call-ended') {
      if (end.up) tell({ kind: 'dropped' } satisfies CallNews);
      end.up = false;
      end.heardAt = undefined;
      end.redialAt = now + REDIAL_US;
    }
  }
  if (end.contact === undefined || machine.callState !== 'idle' || !machine.attached || now < end.redialAt) return;
  end.redialAt = now + REDIAL_US;
  machine.place(now, end.contact);
}

if (parentPort) {
  await runCrowd(() => randomBytes(4).readUInt32BE(), talk);
  process.exit(0);
} else if (import.meta.main)
  process.exit(await hostCrowd(new URL(import.meta.url), JSON.parse(process.argv[2]!) as CrowdPlan));
