import { meanOpinionScore, PACKETIZATION_MS, rFactor } from '../../../evaluation/quality/emodel.ts';
import { Recording, type RecordingReport } from '../../../nodes/client/recording.ts';
import { VOICE_BYTES } from '../../../nodes/wire/constants.ts';
import type { Host } from '../host.ts';
import { Bursts, type LinkClass, linkOf, NEAR, type PathQuality } from '../path.ts';
import { SeededRandom } from '../random.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll, recording, setUp } from '../talk.ts';
import { Network, type SimClient } from '../zones.ts';

/** Case 10 of network.md 6: what a call sounds like is what its own path's loss and delay predict. */

/** How a link loses: each datagram for itself, or Gilbert's bursts of 100 ms where one goes per tick. */
type Pattern = 'random' | 'bursts';
const BURST_DATAGRAMS = 5;
const LINKS: readonly LinkClass[] = ['client-superpeer', 'superpeer-mix', 'mesh'];
/** network.md 6, case 10. */
const MOS_TOLERANCE = 0.2;
/** A queue may give up a frame or two to be on time. */
const QUIET_LOSS_MAX = 0.005;
/** Of a minute's frames: what chance makes of bursts on the paths that the call is on and those that it is not. */
const MOVES_COST_MAX = 0.02;

interface Trouble {
  readonly link: LinkClass;
  readonly loss: number;
  readonly pattern: Pattern;
}

/** A path that keeps count of what it loses, so that a prediction need not guess what chance did. */
class CountedPath {
  /** undefined: nothing is lost. */
  trouble: Trouble | undefined;
  readonly #random: SeededRandom;
  /** By the two ends. BOUNDED: by the pairs of hosts that talk. */
  readonly #links = new Map<string, { bursts: Bursts; sent: number; lost: number }>();

  constructor(seed: string) {
    this.#random = new SeededRandom(`${seed} / path`);
  }

  readonly quality = (from: Host, to: Host): PathQuality => {
    const { trouble } = this;
    if (!trouble || linkOf(from, to) !== trouble.link) return NEAR;
    const counted = this.#link(from, to);
    const { loss, pattern } = trouble;
    const lost =
      pattern === 'random'
        ? this.#random.next() < loss
        : counted.bursts.draw({ loss, lengthDatagrams: BURST_DATAGRAMS }, this.#random);
    counted.sent += 1;
    if (lost) counted.lost += 1;
    return lost ? { ...NEAR, loss: 1 } : NEAR;
  };

  /** Share of what goes from the first step to the last, over whichever host of each, that does not arrive. */
  lossAlong(steps: readonly (readonly Host[])[]): number {
    let passing = 1;
    for (const [index, ends] of steps.slice(1).entries()) {
      const links = steps[index]!.flatMap((from) => ends.map((to) => this.#link(from, to)));
      const lost = links.reduce((sum, link) => sum + link.lost, 0);
      const sent = links.reduce((sum, link) => sum + link.sent, 0);
      if (sent > 0) passing *= 1 - lost / sent;
    }
    return 1 - passing;
  }

  #link(from: Host, to: Host) {
    const name = `${from.name} ${to.name}`;
    const known = this.#links.get(name) ?? { bursts: new Bursts(), sent: 0, lost: 0 };
    this.#links.set(name, known);
    return known;
  }
}

/** What the caller hears of a call, through the jitter buffer, and what its path lost. */
function hear(seed: string, seconds: number, trouble: Trouble | undefined, check: Checker, attachments = 1) {
  const path = new CountedPath(seed);
  // One cell per tick on a mesh link: what the link loses are the call's.
  const params = { meshCellsPerTick: 1, attachmentsPerClient: attachments };
  const plans = ['eu', 'na'].map((name) => ({ name, superpeers: attachments, params }));
  const network = new Network(seed, plans, path.quality);
  const caller = network.addClient('eu');
  const callee = network.addClient('na');
  attachAll(network, check);
  network.run(attachments - 1);
  const jitterBuffer = new Recording(VOICE_BYTES.A, seconds);
  caller.machine.voice = { next: recording().next, heard: (...frame) => jitterBuffer.heard(...frame) };
  setUp(network, caller, callee, check);
  path.trouble = trouble;
  const complete = network.run(seconds + 10, () => jitterBuffer.complete(caller.host.now));
  check.expect(complete, `the call of ${nameOf(trouble)} did not last: ${caller.machine.callState}`);
  return { report: jitterBuffer.report(), pathLoss: path.lossAlong(wayTo(network, caller, callee)) };
}

/** From the callee's voice to the caller's ear. */
function wayTo(network: Network, caller: SimClient, callee: SimClient): Host[][] {
  const within = (zone: string) => {
    const superpeers = [...network.nodes.values()].filter(
      (node) => node.host.kind === 'superpeer' && node.zone === zone,
    );
    return [[network.rendezvous(zone).host], [network.mix(zone).host], superpeers.map(({ host }) => host)];
  };
  return [[callee.host], ...within('na').reverse(), ...within('eu'), [caller.host]];
}

/** network.md 3.1: Cole and Rosenbluth's G.711 under random loss, and the same form with the figures for bursts. */
function mos({ oneWayMsMedian, playoutDelayMs }: RecordingReport, lossRatio: number, pattern: Pattern): number {
  const delayMs = oneWayMsMedian + playoutDelayMs + PACKETIZATION_MS;
  if (pattern === 'random') return meanOpinionScore(rFactor({ delayMs, lossRatio }));
  return meanOpinionScore(rFactor({ delayMs, lossRatio: 0 }) - 19 * Math.log(1 + 70 * lossRatio));
}

function nameOf(trouble: Trouble | undefined): string {
  return trouble ? `${trouble.link} ${trouble.pattern} ${trouble.loss * 100} %` : 'no loss';
}

function run(losses: readonly number[], seed: string, minutes: number) {
  const check = new Checker();
  const seconds = Math.round(minutes * 60);
  const facts: Record<string, number> = {};
  // The same seed gives the same phases of all ticks: the delay without loss is the one to expect with it.
  const quiet = hear(seed, seconds, undefined, check);
  const { lossRatio } = quiet.report;
  check.expect(lossRatio < QUIET_LOSS_MAX, `${lossRatio} of the frames are lost on links that lose none`);
  facts['no loss: MOS'] = mos(quiet.report, lossRatio, 'random');
  let worst = 0;
  for (const link of LINKS) {
    for (const pattern of ['random', 'bursts'] as const) {
      for (const loss of losses) {
        const trouble = { link, loss, pattern };
        const { report, pathLoss } = hear(seed, seconds, trouble, check);
        const predicted = mos(quiet.report, pathLoss, pattern);
        const actual = mos(report, report.lossRatio, pattern);
        const name = nameOf(trouble);
        worst = Math.max(worst, Math.abs(actual - predicted));
        check.expect(Math.abs(actual - predicted) < MOS_TOLERANCE, `${name}: MOS ${actual}, ${predicted} predicted`);
        facts[`${name}: MOS`] = actual;
        facts[`${name}: MOS predicted`] = predicted;
        facts[`${name}: loss`] = report.lossRatio;
        facts[`${name}: loss of the path`] = pathLoss;
      }
    }
  }
  facts.worstMosError = worst;
  return { violations: check.violations, facts };
}

/** With three attachments a burst on one of them moves the call: it may lose less than one path would, and no more. */
function checkMoves(losses: readonly number[], seed: string, minutes: number) {
  const check = new Checker();
  const facts: Record<string, number> = {};
  for (const link of ['client-superpeer', 'superpeer-mix'] as const) {
    for (const loss of losses) {
      const trouble = { link, loss, pattern: 'bursts' } as const;
      const { report, pathLoss } = hear(seed, Math.round(minutes * 60), trouble, check, 3);
      const name = nameOf(trouble);
      check.expect(
        report.lossRatio < pathLoss + MOVES_COST_MAX,
        `${name}: ${report.lossRatio} are lost, ${pathLoss} of one path`,
      );
      facts[`${name}: loss`] = report.lossRatio;
      facts[`${name}: loss of one path`] = pathLoss;
    }
  }
  return { violations: check.violations, facts };
}

export const quality: Scenario = {
  name: 'quality',
  property:
    'What a call sounds like (MOS of what is left behind the jitter buffer) is within 0.2 of what the E-model makes of the ' +
    'loss of its own path and the delay without loss: for 5 % of loss on any class of links, alone or in bursts.',
  set: 'short',
  minutes: 0.2,
  run: (seed, minutes) => run([0.05], seed, minutes),
};

export const qualityAll: Scenario = {
  name: 'quality-all',
  property: 'As quality, for 1, 3, 5, 10 and 20 % of loss.',
  set: 'long',
  minutes: 2,
  run: (seed, minutes) => run([0.01, 0.03, 0.05, 0.1, 0.2], seed, minutes),
};

export const qualityMoves: Scenario = {
  name: 'quality-moves',
  property:
    'With three attachments and loss in bursts on the links of clients or superpeers a call loses no more than one such path ' +
    'does: what moving costs is less than what it saves.',
  set: 'long',
  minutes: 2,
  run: (seed, minutes) => checkMoves([0.01, 0.03, 0.05, 0.1, 0.2], seed, minutes),
};
