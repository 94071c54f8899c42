import { parentPort, workerData } from 'node:worker_threads';
import {
  type CrowdMember,
  type CrowdPlan,
  type CrowdTally,
  type CrowdWork,
  hostCrowd,
  runCrowd,
  tell,
} from '../../lab/crowd/crowd.ts';
import { Attachments } from '../../nodes/client/attachments.ts';
import type { Client } from '../../nodes/client/client.ts';
import type { ConsensusNode, View } from '../../nodes/config/consensus.ts';
import type { PacketRing } from '../../nodes/core/ring.ts';
import { type Endpoint, endpointPort, type Micros } from '../../nodes/core/units.ts';
import { Aead } from '../../nodes/crypto/aead.ts';
import { nowUs } from '../../nodes/host/clock.ts';
import { DATAGRAM_BYTES_MAX, GEOMETRY } from '../../nodes/wire/constants.ts';
import { Load, type LoadCall, type LoadPlan } from '../load.ts';
import { SeededRandom } from '../sim/random.ts';

/**
 * A crowd of clients with calls among them: the load that the real daemons are measured under. Run inside the namespace
 * of a Deployment:
 *
 *   node test/sockets/swarm.ts PLAN            PLAN is the JSON of SwarmPlan; prints one JSON line per call, then a summary
 */
export interface SwarmPlan extends LoadPlan, CrowdPlan {
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

export interface SwarmSummary extends CrowdTally {
  readonly attached: number;
  readonly attachedMs: number;
  readonly attachments: number;
}

function swarm(plan: SwarmPlan, members: readonly CrowdMember[], views: readonly View[], random: SeededRandom) {
  const load = new Load(nowUs(), plan, members, random, (call: LoadCall) => tell(call));
  const speech = plan.steps ? new Speech(views) : undefined;
  const told = new Map<CrowdMember, string>();
  const work: CrowdWork = {
    before: () => speech?.clear(),
    after: (now, member, outbox) => {
      load.after(now, member);
      if (speech) tellStep(member, load.peerOf(member), speech, outbox, told);
    },
    round: (now) => load.tick(now),
  };
  const summary = () => ({
    attached: members.filter(({ machine }) => machine.attached).length,
    attachments: members.reduce((sum, { machine }) => sum + machine.attachments, 0),
    attachedMs: load.attachedMs,
  });
  return { work, summary };
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
  member: CrowdMember,
  peer: CrowdMember | undefined,
  speech: Speech,
  outbox: PacketRing,
  /** The last SwarmStep of each, but for its instant. */
  told: Map<CrowdMember, string>,
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
  const text = JSON.stringify(step);
  if (text === told.get(member)) return;
  told.set(member, text);
  tell({ at: nowUs(), ...step } satisfies SwarmStep);
}

if (parentPort) {
  const { plan } = workerData as { plan: SwarmPlan };
  const random = new SeededRandom(plan.seed);
  let summary: (() => object) | undefined;
  const tally = await runCrowd<SwarmPlan>(
    () => random.next(),
    (_plan, members, views) => {
      const begun = swarm(plan, members, views, random);
      summary = begun.summary;
      return begun.work;
    },
  );
  tell({ ...tally, ...summary!() });
  process.exit(0);
} else process.exit(await hostCrowd(new URL(import.meta.url), JSON.parse(process.argv[2]!) as SwarmPlan));
