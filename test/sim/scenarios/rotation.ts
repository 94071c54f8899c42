import { Client } from '../../../nodes/client/client.ts';
import type { View, ZoneParams } from '../../../nodes/config/consensus.ts';
import { type Micros, SECOND_US } from '../../../nodes/core/units.ts';
import { GENERATION_BITS, GENERATION_LATE, Generations, Ratchet } from '../../../nodes/crypto/generations.ts';
import { TICK_US } from '../../../nodes/wire/constants.ts';
import { byLink, NEAR, type Path, type PathQuality } from '../path.ts';
import { Checker, quantile, type Scenario } from '../scenario.ts';
import { attachAll, Listener } from '../talk.ts';
import { Network, type SimClient, type SimNode, type ZonePlan } from '../zones.ts';

/** Case 12 of network.md 6: keys change under live calls. */
const GENERATION = 2 ** GENERATION_BITS;
/** Drops that a key which came too late or went too early would show in. */
const KEY_DROPS = ['bad_tag', 'coding_collision', 'bad_manifest', 'replayed'] as const;

/**
 * From its next start on, the member's counters begin so long before the end of a generation. Counters begin at random:
 * 4 bytes halved (nodes/client/attachments.ts, nodes/mix/channel.ts).
 */
function beginBeforeBoundary(network: Network, { id, random }: SimNode | SimClient, seconds: number): void {
  const { fill } = random;
  const before = GENERATION - Math.round((seconds * SECOND_US) / TICK_US);
  Object.assign(random, {
    fill: (into: Buffer) => {
      fill(into);
      if (into.length !== 4) return;
      const generation = (into.readUInt32BE() >>> 1) & ~(GENERATION - 1);
      into.writeUInt32BE((generation + before) * 2);
    },
  });
  network.restart(id);
}

/** Counts the keys that any ratchet gives while `work` runs, which is told how many it were so far. */
function countKeys(work: (soFar: () => number) => void): number {
  let keys = 0;
  const { next } = Ratchet.prototype;
  Ratchet.prototype.next = function <T>(this: Ratchet, make: (key: Buffer) => T): T {
    keys += 1;
    return next.call(this, make) as T;
  };
  try {
    work(() => keys);
  } finally {
    Ratchet.prototype.next = next;
  }
  return keys;
}

/** Chains that passed the end of a generation while `work` ran, long enough ago: how many, and in how many the old key is left. */
function findOldKeys(work: () => void): { passed: number; left: number } {
  const counters = new Map<Generations<unknown>, { first: number; newest: number }>();
  const { commit } = Generations.prototype;
  Generations.prototype.commit = function (counter) {
    const known = counters.get(this);
    if (known) known.newest = Math.max(known.newest, counter);
    else counters.set(this, { first: counter, newest: counter });
    commit.call(this, counter);
  };
  try {
    work();
  } finally {
    Generations.prototype.commit = commit;
  }
  let passed = 0;
  let left = 0;
  for (const [generations, { first, newest }] of counters) {
    const start = newest - (newest % GENERATION);
    if (first >= start || newest < start + GENERATION_LATE) continue;
    passed += 1;
    if (generations.at(start - 1) !== undefined) left += 1;
  }
  return { passed, left };
}

interface Plan {
  readonly zones: readonly ZonePlan[];
  readonly calls: number;
  /** What the links do once the calls are up. */
  readonly path: Path;
  /** The share that a call loses on that path. */
  readonly loss: number;
  readonly minutes: number;
  /** Seconds after its start at which the counters of a member come to the end of a generation; undefined: whenever. */
  readonly boundaryAfterS?: { readonly mix: number; readonly client: number };
  /** Call i has channel i at both ends; else who has which is left to chance. */
  readonly ownChannels?: boolean;
  /** What happens meanwhile, at equal intervals. */
  readonly steps?: readonly ((network: Network, check: Checker) => void)[];
}

/** How long a tick of a mix takes this machine: one in which keys change and one in which none does. */
interface TickTimes {
  readonly quietMs: number[];
  readonly changingMs: number[];
  keysMax: number;
}

/** Measures the mixes' ticks from now on. */
function timeTicks(network: Network, keysSoFar: () => number): TickTimes {
  const times: TickTimes = { quietMs: [], changingMs: [], keysMax: 0 };
  for (const { described, machine } of network.nodes.values()) {
    if (described.role !== 'mix') continue;
    const tick = machine.tick.bind(machine);
    machine.tick = (...args) => {
      const keysBefore = keysSoFar();
      const start = performance.now();
      tick(...args);
      const ms = performance.now() - start;
      const keys = keysSoFar() - keysBefore;
      times.keysMax = Math.max(times.keysMax, keys);
      (keys > 0 ? times.changingMs : times.quietMs).push(ms);
    };
  }
  return times;
}

/** Holds calls between the first and the last zone while keys change. Says what each end heard, and how many keys began. */
function hold(seed: string, plan: Plan, check: Checker) {
  const { zones, calls, path, loss, minutes, boundaryAfterS, ownChannels, steps = [] } = plan;
  let now: Path = () => NEAR;
  const network = new Network(seed, zones, (from, to) => now(from, to));
  if (boundaryAfterS)
    for (const node of network.nodes.values())
      if (node.described.role === 'mix') beginBeforeBoundary(network, node, boundaryAfterS.mix);
  const pairs = Array.from({ length: calls }, (_, index) => {
    const channels = ownChannels ? [index + 1] : undefined;
    return [network.addClient(zones[0]!.name, channels), network.addClient(zones.at(-1)!.name, channels)];
  });
  if (boundaryAfterS) for (const client of network.clients) beginBeforeBoundary(network, client, boundaryAfterS.client);
  attachAll(network, check);
  network.run(1);
  const talkers = pairs.flat();
  const ears = talkers.map(({ machine }) => {
    const listener = new Listener(network.world);
    machine.voice = listener.voice;
    return listener;
  });
  for (const [caller, callee] of pairs)
    check.expect(!caller!.machine.place(caller!.host.now, callee!.contact), 'a call was refused');
  const silent = () => talkers.filter(({ machine }) => machine.callState !== 'talking').length;
  const up = network.run(10, () => {
    for (const { machine, host } of talkers) machine.answer(host.now);
    return silent() === 0;
  });
  check.expect(up, `${silent()} of ${talkers.length} clients have no call`);
  const dropsBefore = new Map(KEY_DROPS.map((reason) => [reason, network.dropped(reason)]));
  now = path;
  const from = network.world.now;
  let times: TickTimes | undefined;
  let keys = 0;
  const old = findOldKeys(() => {
    keys = countKeys((soFar) => {
      times = timeTicks(network, soFar);
      const partS = (minutes * 60) / (steps.length + 1);
      for (const step of steps) {
        network.run(partS);
        step(network, check);
      }
      network.run(partS);
    });
  });
  check.expect(old.left === 0, `the key of the last generation is left in ${old.left} of ${old.passed} chains`);
  const to = network.world.now;
  now = () => NEAR;
  network.run(1);
  check.expect(silent() === 0, `${silent()} of ${talkers.length} clients have lost their call`);
  for (const reason of KEY_DROPS) {
    const count = network.dropped(reason) - dropsBefore.get(reason)!;
    check.expect(count === 0, `${count} packets were dropped as ${reason}`);
  }
  for (const listener of ears) listener.checkNames(check);
  const missing = ears.reduce((sum, listener) => sum + listener.lost, 0);
  const heard = ears.reduce((sum, { frames }) => sum + frames.size, 0);
  const lossRatio = ears.reduce((sum, listener) => sum + listener.lossBetween(from, to), 0) / ears.length;
  if (loss === 0) {
    const surplus = missing - network.dropped('queue_standing');
    check.expect(surplus <= 0, `${surplus} frames are missing`);
  } else {
    // Of frames that are lost each for itself: four times the standard deviation.
    const tolerance = 4 * Math.sqrt((loss * (1 - loss)) / (missing + heard)) + 0.01;
    check.expect(Math.abs(lossRatio - loss) < tolerance, `${lossRatio} of the frames are lost, ${loss} predicted`);
  }
  return { keys, oldGone: old.passed, lossRatio, missing, heard, times: times! };
}

const LOSSY: PathQuality = { ...NEAR, loss: 0.1 };
/** Two links of each of the two classes. */
const LOSSY_PATH = byLink({ 'client-superpeer': LOSSY, 'superpeer-mix': LOSSY }, NEAR);
const LOSSY_LOSS = 1 - (1 - LOSSY.loss) ** 4;

const twoZones = (params: Partial<ZoneParams>): ZonePlan[] =>
  ['eu', 'na'].map((name) => ({ name, superpeers: 2, params }));

/** Four seconds from when the last has attached, so in the middle of what is held. */
const BOUNDARY_AFTER_S = { mix: 7, client: 6 };
/** Of both chains' four and two keys, at both ends, of both attachments of two clients, those that must begin. */
const CHANNEL_KEYS = 2 * (4 + 2) * 2 * 2;

/** A client that starts with a consensus of the past and hears of no other. */
function addDeafClient(network: Network, zone: string, view: View): SimClient {
  const client = network.addClient(zone);
  const { identity, drops, random, host } = client;
  network.world.kill(host);
  client.machine = new Client({ identity, drops, entropy: random.fill, view, now: host.now });
  client.heardOf = Number.POSITIVE_INFINITY;
  network.world.start(host, client.machine);
  return client;
}

/** Restarts the mix of a zone that no client is at: it opens all its links anew. */
function restartIdleMix(network: Network, zone: string, check: Checker): void {
  const idle = [1, 2].map((number) => network.mix(zone, number)).find(({ machine }) => machine.clients() === 0);
  if (check.expect(idle !== undefined, 'there is no mix without clients')) network.restart(idle!.id);
}

/**
 * All nodes get new link and circuit keys, which are in force a while later, and then lose the old ones. Clients join
 * with the consensus from before, once while there are both and once when there are only the new ones.
 */
function changeNodeKeys(changeAfterUs: Micros): NonNullable<Plan['steps']> {
  let old: View;
  const late: SimClient[] = [];
  const expectLinks = (network: Network, check: Checker, when: string) => {
    for (const { id, machine, described } of network.nodes.values()) {
      const { up, all } = 'meshLinks' in machine ? machine.meshLinks() : machine.mixesUp();
      check.expect(up === all, `${described.role} ${id}: ${up} of ${all} links are up ${when}`);
    }
  };
  return [
    (network) => {
      old = network.viewOf('eu');
      network.addKeys(network.world.now + changeAfterUs);
    },
    (network, check) => {
      restartIdleMix(network, 'na', check);
      late.push(addDeafClient(network, 'eu', old));
    },
    (network, check) => {
      expectLinks(network, check, 'with two keys');
      check.expect(late[0]!.machine.attached, 'a client cannot join with the consensus before');
      network.dropOldKeys();
    },
    (network, check) => {
      restartIdleMix(network, 'na', check);
      late.push(addDeafClient(network, 'eu', old), network.addClient('eu'));
    },
    (network, check) => {
      expectLinks(network, check, 'with the new keys alone');
      check.expect(!late[1]!.machine.attached, 'a client can join with keys that are gone');
      check.expect(late[2]!.machine.attached, 'a client cannot join with the new keys');
      check.expect(network.dropped('bad_handshake') > 0, 'nobody has refused a key that is gone');
    },
  ];
}

export const rotation: Scenario = {
  name: 'rotation',
  property:
    'When the keys of all channels change, up and down, those of the call itself, or the link and circuit keys of all nodes, no call is dropped and no frame lost: ' +
    'without loss none is missing, and with 10 % of loss on every link of clients and superpeers no more than these lose. ' +
    'Whoever has the consensus from before a change of node keys can join for as long as the old keys are there, and not after that.',
  set: 'short',
  minutes: 0.2,
  run: (seed, minutes) => {
    const check = new Checker();
    const params = { attachmentsPerClient: 2 };
    const channels = { zones: twoZones(params), calls: 1, minutes, boundaryAfterS: BOUNDARY_AFTER_S };
    const clean = hold(seed, { ...channels, path: () => NEAR, loss: 0 }, check);
    const lossy = hold(seed, { ...channels, path: LOSSY_PATH, loss: LOSSY_LOSS }, check);
    for (const { keys, oldGone } of [clean, lossy]) {
      check.expect(keys >= CHANNEL_KEYS, `only ${keys} of ${CHANNEL_KEYS} keys have changed`);
      check.expect(oldGone === CHANNEL_KEYS, `only ${oldGone} of ${CHANNEL_KEYS} old keys are known to be gone`);
    }
    // The two minutes of the call's own keys, with as few hosts as there can be.
    const direct = { name: 'eu', superpeers: 0, params: { directClients: 2 } };
    const endToEnd = hold(
      seed,
      { zones: [direct], calls: 1, path: () => NEAR, loss: 0, minutes: minutes * 10.5 },
      check,
    );
    check.expect(endToEnd.keys >= 4, `only ${endToEnd.keys} of 4 keys of the call have changed`);
    const nodes = hold(
      seed,
      {
        zones: twoZones(params).map((zone) => ({ ...zone, mixes: 2 })),
        calls: 1,
        path: () => NEAR,
        loss: 0,
        minutes: minutes * 1.5,
        steps: changeNodeKeys(minutes * 10 * SECOND_US),
      },
      check,
    );
    return {
      violations: check.violations,
      facts: {
        keys: clean.keys,
        keysLossy: lossy.keys,
        lossRatio: lossy.lossRatio,
        predicted: LOSSY_LOSS,
        keysEndToEnd: endToEnd.keys,
        heardAsNodesChange: nodes.heard,
      },
    };
  },
};

export const rotationHour: Scenario = {
  name: 'rotation-hour',
  property:
    'As rotation, in a call of more than an hour, in which every link renews its keys too, after the link keys of both its ends have changed; without and with loss.',
  set: 'long',
  minutes: 62,
  run: (seed, minutes) => {
    const check = new Checker();
    const zones = twoZones({});
    const steps = [
      (network: Network) => network.addKeys(network.world.now + 10 * 60 * SECOND_US),
      (network: Network) => network.dropOldKeys(),
    ];
    const clean = hold(seed, { zones, calls: 1, path: () => NEAR, loss: 0, minutes, steps }, check);
    const lossy = hold(seed, { zones, calls: 1, path: LOSSY_PATH, loss: LOSSY_LOSS, minutes, steps }, check);
    const { keys, heard, missing } = clean;
    return {
      violations: check.violations,
      facts: { keys, heard, missing, lossRatio: lossy.lossRatio, predicted: LOSSY_LOSS },
    };
  },
};

/** What 1000 calls need at the most of 64 on a link: so many mixes, and pairs of rendezvous that chance does not fill. */
const MANY = { mixes: 16, rendezvous: 6, superpeers: 20, channelsPerSuperpeer: 50 };
const MANY_CALLS = MANY.superpeers * MANY.channelsPerSuperpeer;
const MANY_PARAMS = { clientsPerChannel: 1, meshCellsPerTick: 64 };

export const rotationMany: Scenario = {
  name: 'rotation-many',
  property: `As rotation, for ${MANY_CALLS} calls at once, all of whose channels come to the end of a generation within two seconds.`,
  set: 'long',
  minutes: 0.06,
  run: (seed, minutes) => {
    const check = new Checker();
    const zones = ['eu', 'na'].map((name) => ({ name, ...MANY, params: MANY_PARAMS }));
    const plan = { zones, calls: MANY_CALLS, path: () => NEAR, loss: 0, minutes, ownChannels: true };
    const { keys, heard, missing, times } = hold(seed, { ...plan, boundaryAfterS: { mix: 7, client: 6.5 } }, check);
    const needed = 2 * (4 + 2) * 2 * MANY_CALLS;
    // Who had to attach a second time has his boundary later.
    check.expect(keys >= 0.9 * needed, `only ${keys} of ${needed} keys have changed`);
    return {
      violations: check.violations,
      facts: {
        calls: MANY_CALLS,
        keys,
        heard,
        missing,
        keysInOneTickMax: times.keysMax,
        mixTickMsP50: quantile(times.quietMs, 0.5),
        mixTickMsP99: quantile(times.quietMs, 0.99),
        mixTickMsMax: quantile(times.quietMs, 1),
        mixTickMsWithKeysP50: quantile(times.changingMs, 0.5),
        mixTickMsWithKeysMax: quantile(times.changingMs, 1),
      },
    };
  },
};
