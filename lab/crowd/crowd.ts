import { randomBytes, randomFillSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';
import { Client } from '../../nodes/client/client.ts';
import { type View, verifyView } from '../../nodes/config/consensus.ts';
import { printContact } from '../../nodes/config/contact.ts';
import { DropCounters } from '../../nodes/core/drop.ts';
import { PacketRing } from '../../nodes/core/ring.ts';
import { type Micros, SECOND_US } from '../../nodes/core/units.ts';
import { Identity } from '../../nodes/crypto/keys.ts';
import { nowUs } from '../../nodes/host/clock.ts';
import { fetchView } from '../../nodes/host/directory-client.ts';
import { type DatagramIo, openDatagrams } from '../../nodes/host/udp.ts';
import { DATAGRAM_BYTES_MAX, TICK_US } from '../../nodes/wire/constants.ts';

/**
 * Many clients in one process, each with its own socket and its own phase of the tick, for experiments that need more of
 * them than a machine has room for daemons. What they do with their calls is the work that the experiment hands in.
 *
 * The phases are spread evenly over the tick, and what a member sends is made some members before its turn: so it leaves
 * when its turn comes and not when its own work is done, as in the daemons (nodes/host/plane.ts).
 */
export interface CrowdPlan {
  readonly zones: readonly CrowdZone[];
  /** UDP ports of the clients, counted up from here. */
  readonly firstPort: number;
}

export interface CrowdZone {
  readonly zone: string;
  /** Of its directory. */
  readonly url: string;
  /** Base64. */
  readonly rootKey: string;
  readonly clients: number;
}

export interface CrowdMember {
  readonly machine: Client;
  readonly port: number;
  readonly zone: string;
  readonly contact: string;
}

export interface CrowdWork {
  /** Before a member's tick. */
  readonly before?: (member: CrowdMember) => void;
  /** After it; `outbox` is what it sends. */
  readonly after: (now: Micros, member: CrowdMember, outbox: PacketRing) => void;
  /** Once a tick, after all members; true when all is over. */
  readonly round: (now: Micros) => boolean;
}

export interface CrowdTally {
  readonly ticks: number;
  /** Those that came more than LATE_US after their time. */
  readonly lateTicks: number;
}

const LATE_US = 5_000;
/** What a member sends is made so long before its turn. */
const LEAD_US = 5_000;
const REFRESH_MS = 3_000;

/**
 * Runs the crowd of `script` in a thread of its own, and keeps it told of what the directories say. Prints what it tells,
 * a line of JSON each. @returns its exit code
 */
export async function hostCrowd(script: URL, plan: CrowdPlan): Promise<number> {
  const ask = ({ url, zone, rootKey }: CrowdZone) => fetchView(url, zone, Buffer.from(rootKey, 'base64'));
  const views = await Promise.all(plan.zones.map(async (zone) => (await ask(zone)).json));
  const worker = new Worker(script, { workerData: { plan, views } });
  worker.on('message', (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`));
  const ended = new Promise<number>((resolve) => worker.once('exit', resolve));
  const refresh = async () => {
    for (;;) {
      await sleep(REFRESH_MS);
      for (const [index, zone] of plan.zones.entries()) {
        const fresh = await ask(zone).catch(() => undefined);
        if (fresh) worker.postMessage({ zone: index, view: fresh.json });
      }
    }
  };
  void refresh();
  return ended;
}

/** Inside the thread that hostCrowd has made. Its event loop never turns while it ticks. */
export async function runCrowd<P extends CrowdPlan>(
  lot: () => number,
  begin: (plan: P, members: readonly CrowdMember[], views: readonly View[]) => CrowdWork,
): Promise<CrowdTally> {
  const { plan, views } = workerData as { plan: P; views: readonly unknown[] };
  const verified = plan.zones.map((zone, index) => verify(zone, views[index]));
  const seats = await open(plan, verified);
  const lots = new Map(seats.map((seat) => [seat, lot()]));
  const members = seats.toSorted((a, b) => lots.get(a)! - lots.get(b)!);
  const { before, after, round } = begin(plan, members, verified);
  const inbox = new PacketRing(512, DATAGRAM_BYTES_MAX);
  const ahead = Math.ceil((members.length * LEAD_US) / TICK_US);
  const outboxes = Array.from({ length: ahead }, () => new PacketRing(64, DATAGRAM_BYTES_MAX));
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const tally = { ticks: 0, lateTicks: 0 };
  const turnUs = TICK_US / members.length;
  const start = nowUs() + SECOND_US;
  for (let turn = 0; ; turn += 1) {
    const outbox = outboxes[turn % ahead]!;
    const left = start + turn * turnUs - nowUs();
    if (left > 0) Atomics.wait(sleeper, 0, 0, left / 1000);
    if (left < -LATE_US) tally.lateTicks += 1;
    tally.ticks += 1;
    await members[turn % members.length]!.io.flush(outbox);
    outbox.clear();
    const member = members[(turn + ahead) % members.length]!;
    await member.io.drain(inbox);
    before?.(member);
    member.machine.tick(nowUs(), inbox, outbox);
    inbox.clear();
    after(nowUs(), member, outbox);
    if (turn % members.length !== 0) continue;
    for (let next = receiveMessageOnPort(parentPort!); next; next = receiveMessageOnPort(parentPort!)) {
      const { zone, view } = next.message as { zone: number; view: unknown };
      const fresh = verify(plan.zones[zone]!, view);
      for (const member of members) if (member.zone === plan.zones[zone]!.zone) member.machine.update(nowUs(), fresh);
    }
    if (round(nowUs())) break;
  }
  for (const { io } of members) io.close();
  return tally;
}

/** What the crowd's process prints, as a line of JSON. */
export const tell = (line: unknown): void => parentPort!.postMessage(line);

type Seat = CrowdMember & { readonly io: DatagramIo };

async function open(plan: CrowdPlan, views: readonly View[]): Promise<Seat[]> {
  const seats: Seat[] = [];
  for (const [index, { zone, clients }] of plan.zones.entries()) {
    for (let i = 0; i < clients; i += 1) {
      const identity = new Identity(randomBytes(32));
      const drops = new DropCounters();
      const entropy = (into: Uint8Array) => void randomFillSync(into);
      const machine = new Client({ identity, drops, entropy, view: views[index]!, now: nowUs() });
      const port = plan.firstPort + seats.length;
      const io = await openDatagrams(port, drops);
      seats.push({ machine, io, port, zone, contact: printContact(zone, identity.publicKey) });
    }
  }
  return seats;
}

function verify({ rootKey, zone }: CrowdZone, json: unknown): View {
  const view = verifyView(json, Buffer.from(rootKey, 'base64'), zone, Date.now());
  if ('refused' in view) throw new Error(view.refused);
  return view;
}
