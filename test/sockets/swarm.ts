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
export interface SwarmPlan {
  readonly zones: readonly (ZoneAccess & { readonly clients: number })[];
  readonly firstPort: number;
  /** How long calls are placed, once all clients are attached. */
  readonly seconds: number;
  readonly callsPerSecond: number;
  /** Mean of the exponential length of a call. */
  readonly holdSeconds: number;
  /** A caller that is not put through gives up then. */
  readonly patienceSeconds: number;
  /** A call that rings is answered then; at once if not given. */
  readonly ringSeconds?: number;
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

export type CallOutcome = 'up' | 'no-channel' | 'not-answered' | 'lost';

export interface SwarmCall {
  readonly outcome: CallOutcome;
  readonly setUpMs: number | undefined;
  readonly heldMs: number;
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
  busy: boolean;
  peer: Member | undefined;
  rungAt: Micros | undefined;
  /** The last SwarmStep, but for its instant. */
  told: string;
}

interface LiveCall {
  readonly caller: Member;
  readonly callee: Member;
  readonly placedAt: Micros;
  upAt: Micros | undefined;
  endAt: Micros;
}

const ATTACH_US = 120 * SECOND_US;
const SETTLE_US = 5 * SECOND_US;
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
      opened.push({ machine, io, port, zone, contact, busy: false, peer: undefined, rungAt: undefined, told: '' });
    }
  }
  const lots = new Map(opened.map((member) => [member, random.next()]));
  const members = opened.toSorted((a, b) => lots.get(a)! - lots.get(b)!);
  const tell = (line: unknown) => parentPort!.postMessage(line);
  const load = new Load(plan, members, random, tell);
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
    if (speech) tellStep(member, speech, outbox, tell);
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

function tellStep(member: Member, speech: Speech, outbox: PacketRing, tell: (line: unknown) => void): void {
  const portOf = (node: ConsensusNode | undefined) => (node ? endpointPort(node.endpoint) : undefined);
  const step = {
    port: member.port,
    state: member.machine.callState,
    over: speech.slots.map((slot) => endpointPort(outbox.endpoints[slot]! as Endpoint)),
    mix: portOf(speech.mix),
    rendezvous: portOf(speech.rendezvous),
    peer: member.peer?.port,
  };
  const told = JSON.stringify(step);
  if (told === member.told) return;
  member.told = told;
  tell({ at: nowUs(), ...step } satisfies SwarmStep);
}

/** Poisson arrivals of calls between idle clients, exponential lengths, outcomes. */
class Load {
  readonly #plan: SwarmPlan;
  readonly #members: readonly Member[];
  readonly #random: SeededRandom;
  readonly #tell: (line: unknown) => void;
  readonly #began = nowUs();
  /** BOUNDED: half of the members. */
  readonly #calls = new Map<Member, LiveCall>();
  #wholeAt: Micros | undefined;
  #nextAt = 0;
  attachedMs = Number.NaN;

  constructor(plan: SwarmPlan, members: readonly Member[], random: SeededRandom, tell: (line: unknown) => void) {
    this.#plan = plan;
    this.#members = members;
    this.#random = random;
    this.#tell = tell;
  }

  /** After each tick of a member: what its call has come to. */
  after(now: Micros, member: Member): void {
    for (let event = member.machine.poll(); event; event = member.machine.poll()) {
      if (event.kind === 'ringing') member.rungAt = now;
      const call = this.#calls.get(member);
      if (!call) continue;
      if (event.kind === 'call-up') {
        call.upAt = now;
        call.endAt = now + this.#exponential(this.#plan.holdSeconds);
      } else if (event.kind === 'call-ended') {
        const outcome =
          event.reason === 'no-channel' ? 'no-channel' : call.upAt !== undefined ? 'lost' : 'not-answered';
        this.#over(now, call, outcome);
      }
    }
    if (member.rungAt !== undefined && now - member.rungAt >= (this.#plan.ringSeconds ?? 0) * SECOND_US) {
      member.rungAt = undefined;
      member.machine.answer(now);
    }
    const call = this.#calls.get(member);
    if (!call || now < call.endAt) return;
    this.#over(now, call, call.upAt === undefined ? 'not-answered' : 'up');
    member.machine.hangUp();
  }

  /** Once per round; true when all is over. */
  tick(now: Micros): boolean {
    if (this.#wholeAt === undefined) {
      const wanted = this.#members.every(({ machine }) => machine.attached);
      if (wanted || now - this.#began > ATTACH_US) {
        this.#wholeAt = now + SETTLE_US;
        this.attachedMs = Math.round((now - this.#began) / 1000);
        this.#nextAt = this.#wholeAt + this.#exponential(1 / this.#plan.callsPerSecond);
      }
      return false;
    }
    const end = this.#wholeAt + this.#plan.seconds * SECOND_US;
    while (now >= this.#nextAt && this.#nextAt < end) {
      this.#place(now);
      this.#nextAt += this.#exponential(1 / this.#plan.callsPerSecond);
    }
    return now > end && this.#calls.size === 0;
  }

  #place(now: Micros): void {
    const idle = this.#members.filter(({ busy, machine }) => !busy && machine.callState === 'idle');
    if (idle.length < 2) return;
    const caller = this.#random.pick(idle);
    const callee = this.#random.pick(idle.filter((member) => member !== caller));
    if (caller.machine.place(now, callee.contact)) return;
    caller.busy = true;
    callee.busy = true;
    caller.peer = callee;
    callee.peer = caller;
    const endAt = now + this.#plan.patienceSeconds * SECOND_US;
    this.#calls.set(caller, { caller, callee, placedAt: now, upAt: undefined, endAt });
  }

  #over(now: Micros, call: LiveCall, outcome: CallOutcome): void {
    this.#calls.delete(call.caller);
    for (const member of [call.caller, call.callee]) {
      member.busy = false;
      member.peer = undefined;
    }
    const setUpMs = call.upAt === undefined ? undefined : Math.round((call.upAt - call.placedAt) / 1000);
    this.#tell({ outcome, setUpMs, heldMs: Math.round((now - call.placedAt) / 1000) } satisfies SwarmCall);
  }

  #exponential(meanSeconds: number): Micros {
    return -Math.log(1 - this.#random.next()) * meanSeconds * SECOND_US;
  }
}

if (parentPort) {
  await swarm(workerData as { plan: SwarmPlan; views: readonly unknown[] });
  process.exit(0);
} else await serve(JSON.parse(process.argv[2]!) as SwarmPlan);
