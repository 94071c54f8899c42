import { randomBytes, randomFillSync } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads';
import { Attachments } from '../../nodes/client/attachments.ts';
import { Client } from '../../nodes/client/client.ts';
import { type ConsensusNode, type View, verifyView } from '../../nodes/config/consensus.ts';
import { printContact } from '../../nodes/config/contact.ts';
import { DropCounters } from '../../nodes/core/drop.ts';
import { PacketRing } from '../../nodes/core/ring.ts';
import { type Endpoint, endpointPort, type Micros, SECOND_US } from '../../nodes/core/units.ts';
import { Aead } from '../../nodes/crypto/aead.ts';
import { Identity } from '../../nodes/crypto/keys.ts';
import { nowUs } from '../../nodes/host/clock.ts';
import { fetchView } from '../../nodes/host/directory-client.ts';
import { type DatagramIo, openDatagrams } from '../../nodes/host/udp.ts';
import { DATAGRAM_BYTES_MAX, GEOMETRY, TICK_US } from '../../nodes/wire/constants.ts';
import { Load, type LoadCall, type LoadPlan } from '../load.ts';
import { SeededRandom } from '../sim/random.ts';
import type { ZoneAccess } from './deployment.ts';

/**
 * Many clients in one process, each with its own socket and its own phase of the tick, and calls among them: the load
 * that the real daemons are measured under. Run inside the namespace of a Deployment:
 *
 *   node test/sockets/swarm.ts PLAN            PLAN is the JSON of SwarmPlan; prints one JSON line per call, then a summary
 *
 * The phases are spread evenly over the tick, and what a member sends is made some members before its turn: so it leaves
 * when its turn comes and not when its own work is done, as in the daemons (nodes/host/plane.ts).
 */
export interface SwarmPlan extends LoadPlan {
  readonly zones: readonly (ZoneAccess & { readonly clients: number })[];
  readonly firstPort: number;
  /** Prints a SwarmStep whenever a client's call has got further. */
  readonly steps?: boolean;
  readonly seed: string;
}

/** What is true of a client from an instant on, which nobody outside can see: the labels of an experiment. */
export interface SwarmStep {
  readonly at: Micros;
  /** The client's. */
  readonly port: number;
  readonly state: Client['callState'];
  /** Ports of the superpeers over which it speaks: none, or one, or two in a move. */
  readonly over: readonly number[];
  /** Ports of its mix and of the rendezvous that it speaks to, while it speaks. */
  readonly mix: number | undefined;
  readonly rendezvous: number | undefined;
  /** The other one's port, from when the call is placed until it is over. */
  readonly peer: number | undefined;
}

export interface SwarmSummary {
  readonly attached: number;
  readonly attachedMs: number;
  readonly attachments: number;
  readonly lateTicks: number;
  readonly ticks: number;
}

interface Member {
  readonly machine: Client;
  readonly io: DatagramIo;
  readonly port: number;
  readonly zone: string;
  readonly contact: string;
  /** The last SwarmStep, but for its instant. */
  told: string;
}

const LATE_US = 5_000;
/** What a member sends is made so long before its turn. */
const LEAD_US = 5_000;

async function serve(plan: SwarmPlan): Promise<void> {
  const views = await Promise.all(
    plan.zones.map(async ({ url, zone, rootKey }) => {
      const key = Buffer.from(rootKey, 'base64');
      return (await fetchView(url, zone, key)).json;
    }),
  );
  const worker = new Worker(new URL(import.meta.url), { workerData: { plan, views } });
  worker.on('message', (line: unknown) => process.stdout.write(`${JSON.stringify(line)}\n`));
  const ended = new Promise<number>((resolve) => worker.once('exit', resolve));
  const refresh = async () => {
    for (;;) {
      await sleep(3_000);
      for (const [index, { url, zone, rootKey }] of plan.zones.entries()) {
        const fresh = await fetchView(url, zone, Buffer.from(rootKey, 'base64')).catch(() => undefined);
        if (fresh) worker.postMessage({ zone: index, view: fresh.json });
      }
    }
  };
  void refresh();
  process.exit(await ended);
}

/** The worker's thread never turns its event loop while it ticks. */
async function swarm({ plan, views }: { plan: SwarmPlan; views: readonly unknown[] }): Promise<void> {
  const random = new SeededRandom(plan.seed);
  const verified = plan.zones.map((access, index) => verify(access, views[index]));
  const opened: Member[] = [];
  for (const [index, { zone, clients }] of plan.zones.entries()) {
    for (let i = 0; i < clients; i += 1) {
      const identity = new Identity(randomBytes(32));
      const drops = new DropCounters();
      const entropy = (into: Uint8Array) => void randomFillSync(into);
      const machine = new Client({ identity, drops, entropy, view: verified[index]!, now: nowUs() });
      const port = plan.firstPort + opened.length;
      const io = await openDatagrams(port, drops);
      const contact = printContact(zone, identity.publicKey);
      opened.push({ machine, io, port, zone, contact, told: '' });
    }
  }
  const lots = new Map(opened.map((member) => [member, random.next()]));
  const members = opened.toSorted((a, b) => lots.get(a)! - lots.get(b)!);
  const tell = (line: unknown) => parentPort!.postMessage(line);
  const load = new Load(nowUs(), plan, members, random, (call: LoadCall) => tell(call));
  const speech = plan.steps ? new Speech(verified) : undefined;
  const inbox = new PacketRing(512, DATAGRAM_BYTES_MAX);
  const ahead = Math.ceil((members.length * LEAD_US) / TICK_US);
  const outboxes = Array.from({ length: ahead }, () => new PacketRing(64, DATAGRAM_BYTES_MAX));
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  const summary = { ticks: 0, lateTicks: 0 };
  const turnUs = TICK_US / members.length;
  const start = nowUs() + SECOND_US;
  for (let turn = 0; ; turn += 1) {
    const outbox = outboxes[turn % ahead]!;
    const left = start + turn * turnUs - nowUs();
    if (left > 0) Atomics.wait(sleeper, 0, 0, left / 1000);
    if (left < -LATE_US) summary.lateTicks += 1;
    summary.ticks += 1;
    await members[turn % members.length]!.io.flush(outbox);
    outbox.clear();
    const member = members[(turn + ahead) % members.length]!;
    await member.io.drain(inbox);
    speech?.clear();
    member.machine.tick(nowUs(), inbox, outbox);
    inbox.clear();
    load.after(nowUs(), member);
    if (speech) tellStep(member, load.peerOf(member), speech, outbox, tell);
    if (turn % members.length !== 0) continue;
    for (let next = receiveMessageOnPort(parentPort!); next; next = receiveMessageOnPort(parentPort!)) {
      const { zone, view } = next.message as { zone: number; view: unknown };
      const fresh = verify(plan.zones[zone]!, view);
      for (const member of members) if (member.zone === plan.zones[zone]!.zone) member.machine.update(nowUs(), fresh);
    }
    if (load.tick(nowUs())) break;
  }
  for (const { io } of members) io.close();
  const attachments = members.reduce((sum, { machine }) => sum + machine.attachments, 0);
  tell({
    ...summary,
    attached: members.filter(({ machine }) => machine.attached).length,
    attachments,
    attachedMs: load.attachedMs,
  });
}

function verify({ rootKey, zone }: ZoneAccess, json: unknown): View {
  const view = verifyView(json, Buffer.from(rootKey, 'base64'), zone, Date.now());
  if ('refused' in view) throw new Error(view.refused);
  return view;
}

/**
 * Over which superpeers a client has just spoken, and to whom. The client does not say, so this listens where it seals:
 * a mix cell is sealed in the slot of the outbox that leads to the superpeer, and nothing else has its length.
 */
class Speech {
  readonly slots: number[] = [];
  mix: ConsensusNode | undefined;
  rendezvousTag: string | undefined;
  readonly #nodes: ReadonlyMap<string, ConsensusNode>;

  constructor(views: readonly View[]) {
    this.#nodes = new Map(views.flatMap(({ own }) => own.nodes.map((node) => [node.tag, node])));
    const speech = this;
    const { mixPlain } = GEOMETRY[views[0]!.own.params.profile];
    const aead = Aead.prototype as Aead;
    const { seal } = aead;
    aead.seal = function (bytes, offset, length, ...rest) {
      if (length === mixPlain) speech.slots.push(Math.floor(offset / DATAGRAM_BYTES_MAX));
      return seal.call(this, bytes, offset, length, ...rest);
    };
    const { send } = Attachments.prototype;
    Attachments.prototype.send = function (now, wants, relay, outbox) {
      if (relay) {
        speech.mix = this.mix;
        speech.rendezvousTag = relay.rendezvousTag;
      }
      send.call(this, now, wants, relay, outbox);
    };
  }

  clear(): void {
    this.slots.length = 0;
    this.mix = undefined;
    this.rendezvousTag = undefined;
  }

  get rendezvous(): ConsensusNode | undefined {
    return this.rendezvousTag === undefined ? undefined : this.#nodes.get(this.rendezvousTag);
  }
}

function tellStep(
  member: Member,
  peer: Member | undefined,
  speech: Speech,
  outbox: PacketRing,
  tell: (line: unknown) => void,
): void {
  const portOf = (node: ConsensusNode | undefined) => (node ? endpointPort(node.endpoint) : undefined);
  const step = {
    port: member.port,
    state: member.machine.callState,
    over: speech.slots.map((slot) => endpointPort(outbox.endpoints[slot]! as Endpoint)),
    mix: portOf(speech.mix),
    rendezvous: portOf(speech.rendezvous),
    peer: peer?.port,
  };
  const told = JSON.stringify(step);
  if (told === member.told) return;
  member.told = told;
  tell({ at: nowUs(), ...step } satisfies SwarmStep);
}

if (parentPort) {
  await swarm(workerData as { plan: SwarmPlan; views: readonly unknown[] });
  process.exit(0);
} else await serve(JSON.parse(process.argv[2]!) as SwarmPlan);
