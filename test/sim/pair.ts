import type { ZoneParams } from '../../nodes/config/consensus.ts';
import { MILLISECOND_US, type Micros, SECOND_US } from '../../nodes/core/units.ts';
import { KEY_BYTES } from '../../nodes/crypto/keys.ts';
import { Allocation } from '../../nodes/mix/allocation.ts';
import type { Host } from './host.ts';
import { type Path, type PathQuality, WAN } from './path.ts';
import type { Checker } from './scenario.ts';
import { attachAll, Listener, setUp } from './talk.ts';
import { Network, type SimClient } from './zones.ts';

/**
 * A caller in `eu` and a callee in `na`, in zones with a spare of everything, for scenarios in which something breaks
 * under a call. The same seed without the call is the same world: what differs on a wire, the call has done.
 *
 * It is known where the two are: channel n is on superpeer n. The caller has the odd channels, of mix 1 with mix 2
 * standing by; the callee the even ones, of mix 2 with mix 1 standing by.
 */

/** Longer than any set-up, and a second of the call. */
const BEGIN_US = 2 * SECOND_US;

export interface PairPlan {
  /** k; 3 if not given. */
  readonly attachments?: number;
  readonly params?: Partial<ZoneParams>;
  /** Superpeers that each of the two can choose from: k if not given, so that none is spare. */
  readonly choices?: number;
  /** Of each zone; 2 if not given. With more it is not known whose channels the two have. */
  readonly mixes?: number;
  /** From node to node of a zone; between zones lies an ocean. */
  readonly within?: Partial<PathQuality>;
  /** Clients in each zone that do not call. */
  readonly bystanders?: number;
}

export class Pair {
  readonly network: Network;
  readonly caller: SimClient;
  readonly callee: SimClient;
  readonly callerHears: Listener;
  readonly calleeHears: Listener;
  /** What a path in a zone is besides, from now on. */
  trouble: (from: Host, to: Host) => Partial<PathQuality> | undefined = () => undefined;
  readonly #check: Checker;

  constructor(seed: string, check: Checker, plan: PairPlan = {}) {
    const { attachments = 3, params = {}, choices = attachments, within = {}, bystanders = 0, mixes = 2 } = plan;
    const shape = {
      mixes,
      rendezvous: 2,
      superpeers: 2 * choices,
      params: { attachmentsPerClient: attachments, meshCellsPerTick: 2, clientsPerChannel: 8, ...params },
    };
    const near = { delayUs: 5 * MILLISECOND_US, jitterUs: MILLISECOND_US, loss: 0, ...within };
    const path: Path = (from, to) => (zoneOf(from) === zoneOf(to) ? { ...near, ...this.trouble(from, to) } : WAN);
    this.#check = check;
    this.network = new Network(
      seed,
      [
        { name: 'eu', ...shape },
        { name: 'na', ...shape },
      ],
      path,
    );
    const places = Array.from({ length: choices }, (_, index) => 2 * index + 1);
    this.caller = this.network.addClient('eu', places);
    this.callee = this.network.addClient(
      'na',
      places.map((place) => place + 1),
    );
    this.network.addClients('eu', bystanders);
    this.network.addClients('na', bystanders);
    this.callerHears = new Listener(this.network.world);
    this.calleeHears = new Listener(this.network.world);
    this.caller.machine.voice = this.callerHears.voice;
    this.callee.machine.voice = this.calleeHears.voice;
  }

  /** Attaches everybody with all that they have, then sets up the call or lets as much time go by without one. */
  begin(calling: boolean): void {
    const { network, caller, callee } = this;
    const { attachmentsPerClient } = network.viewOf('eu').own.params;
    attachAll(network, this.#check);
    const whole = () => network.clients.every(({ machine }) => machine.attachments === attachmentsPerClient);
    this.#check.expect(network.run(10, whole), 'not everybody has all attachments 10 s later');
    const start = network.world.now;
    if (calling) setUp(network, caller, callee, this.#check);
    // A call takes an ephemeral key at each end from the same source as what is left to chance afterwards.
    else for (const { random } of [caller, callee]) random.fill(Buffer.alloc(KEY_BYTES));
    network.world.run(start + BEGIN_US);
  }

  get talking(): boolean {
    return this.caller.machine.callState === 'talking' && this.callee.machine.callState === 'talking';
  }

  /** The channels over which the two have spoken last; takes 60 ms. */
  channels(): { caller: number; callee: number } {
    const spoken = { caller: 0, callee: 0 };
    const { spoke } = Allocation.prototype;
    Allocation.prototype.spoke = function (now, party, line) {
      spoken[line.id % 2 === 1 ? 'caller' : 'callee'] = line.id;
      spoke.call(this, now, party, line);
    };
    this.network.run(0.06);
    Allocation.prototype.spoke = spoke;
    return spoken;
  }

  /** The rendezvous that a zone's end of the call goes through; undefined without a call. */
  rendezvous(zone: 'eu' | 'na'): string | undefined {
    const number = [1, 2].find((n) => this.network.rendezvous(zone, n).machine.holdings().calls > 0);
    return number === undefined ? undefined : `${zone}-rendezvous-${number}`;
  }

  /** Everything that a call holds at nodes that live. */
  get held(): { channels: number; calls: number } {
    let channels = 0;
    let calls = 0;
    for (const zone of ['eu', 'na']) {
      for (const number of [1, 2]) {
        const mix = this.network.mix(zone, number);
        const rendezvous = this.network.rendezvous(zone, number);
        const { held, draining } = mix.machine.holdings();
        if (mix.host.machine) channels += held + draining;
        if (rendezvous.host.machine) calls += rendezvous.machine.holdings().calls + rendezvous.machine.holdings().legs;
      }
    }
    return { channels, calls };
  }

  /** How long after `since` each of the two hears the other steadily again, in ms: the longer of both; Infinity if one does not. */
  resumedAfterMs(since: Micros): number {
    const [caller = Infinity, callee = Infinity] = [this.callerHears, this.calleeHears].map((ear) =>
      ear.resumedAfterMs(since),
    );
    return Math.max(caller, callee);
  }

  /** The longest run of frames that one of the two has missed since a second before `since`, in ms of audio. */
  longestGapMs(since: Micros): number {
    return Math.max(...[this.callerHears, this.calleeHears].map((ear) => ear.longestGapMs(since - SECOND_US)));
  }

  /** Ends the call if there is one; a minute later nothing may be left of it, anywhere. */
  end(what: string): void {
    this.caller.machine.hangUp();
    const free = () => this.held.channels === 0 && this.held.calls === 0;
    const ended = this.network.run(60, free);
    this.#check.expect(ended, `${what}: 60 s after its end the call still holds ${JSON.stringify(this.held)}`);
    const { callState } = this.callee.machine;
    this.#check.expect(callState === 'idle', `${what}: the callee is ${callState} after the end`);
  }
}

/** The second number of the address: see zones.ts. */
function zoneOf({ endpoint }: Host): number {
  return Math.floor(endpoint / 2 ** 32) & 0xff;
}
