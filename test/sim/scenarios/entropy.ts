import { battery, SEQUENCE_BITS, unpack } from '../../../evaluation/traffic/bits.ts';
import { Attachments } from '../../../nodes/client/attachments.ts';
import { GENERATION_BITS } from '../../../nodes/crypto/generations.ts';
import { CodingKeystream } from '../../../nodes/crypto/keystream.ts';
import { Links } from '../../../nodes/link/links.ts';
import {
  CONTROL_BYTES,
  DOWN_HEADER_BYTES,
  GEOMETRY,
  LINK_HEADER_BYTES,
  LINK_KIND,
  MESSAGE_KIND,
} from '../../../nodes/wire/constants.ts';
import type { HostKind } from '../host.ts';
import { SeededRandom } from '../random.ts';
import { Checker, type Outcome, type Scenario } from '../scenario.ts';
import { attachAll, recording, setUp } from '../talk.ts';
import { Network } from '../zones.ts';

/**
 * Case 17 of network.md 6: what a superpeer reads of its clients and mixes, and what goes over the wire, looks like coin
 * tosses whether anybody speaks or not; and no keystream of the network coding is used twice, ever.
 */
const SEQUENCES = 55;
const SEQUENCE_BYTES = SEQUENCE_BITS / 8;
/** A round is XORed with one of so many before it. */
const ROUNDS_KEPT = 64;

/** Bytes of one kind, until there are enough. */
class Sample {
  readonly #bytes = Buffer.alloc(SEQUENCES * SEQUENCE_BYTES);
  #filled = 0;

  get isFull(): boolean {
    return this.#filled === this.#bytes.length;
  }

  add(bytes: Uint8Array): void {
    const part = bytes.subarray(0, this.#bytes.length - this.#filled);
    this.#bytes.set(part, this.#filled);
    this.#filled += part.length;
  }

  /** The sample with `change` done to a copy of it. */
  changed(change: (bytes: Buffer) => void): Sample {
    const other = new Sample();
    const copy = Buffer.from(this.#bytes);
    change(copy);
    other.add(copy);
    return other;
  }

  isFair(): boolean {
    const sequence = (i: number) => unpack(this.#bytes.subarray(i * SEQUENCE_BYTES, (i + 1) * SEQUENCE_BYTES));
    return battery(Array.from({ length: SEQUENCES }, (_value, i) => sequence(i))).fair;
  }
}

const CELLS = ['B idle', 'B speaking', 'X idle', 'X speaking', 'DOWN media idle', 'DOWN media active'] as const;
const LINKS = ['client → superpeer', 'superpeer → client', 'superpeer → mix', 'mix → superpeer', 'mesh'] as const;
const xored = (name: string) => `${name}, two XORed`;
const KINDS = [...CELLS, ...CELLS.map(xored), 'DOWN control', ...LINKS.map((link) => `wire, ${link}`)];

/** By name. Streams whose cells are XORed keep their last ones. */
class Samples {
  readonly byName = new Map<string, Sample>();
  readonly #random: SeededRandom;
  /** BOUNDED: ROUNDS_KEPT per stream. */
  readonly #kept = new Map<string, Buffer[]>();

  constructor(random: SeededRandom) {
    for (const name of KINDS) this.byName.set(name, new Sample());
    this.#random = random;
  }

  add(name: string, bytes: Uint8Array): void {
    this.byName.get(name)?.add(bytes);
  }

  /** Adds a cell of a stream, and beside it the XOR of it and one before it. */
  addCell(name: string, stream: string, cell: Buffer): void {
    this.add(name, cell);
    const kept = this.#kept.get(stream) ?? [];
    this.#kept.set(stream, kept);
    if (kept.length > 0) {
      const other = this.#random.pick(kept);
      this.add(
        xored(name),
        cell.map((byte, i) => byte ^ other[i]!),
      );
    }
    kept.push(Buffer.from(cell));
    if (kept.length > ROUNDS_KEPT) kept.shift();
  }

  areFull(names: readonly string[]): boolean {
    return names.every((name) => this.byName.get(name)!.isFull);
  }
}

/** What clients have taken of their coding keystreams. */
class KeystreamLog {
  /** The first 96 bits of each slot: equal only if key and s are. BOUNDED: by the packets of the run. */
  readonly #seen = new Set<string>();
  readonly #slot = new Uint32Array(GEOMETRY.A.mix / 4);
  slots = 0;
  reused = 0;
  generations = 0;

  note(write: (into: Uint32Array) => void, s: number): void {
    this.#slot.fill(0);
    write(this.#slot);
    const name = this.#slot.subarray(0, 3).join();
    if (this.#seen.has(name)) this.reused += 1;
    this.#seen.add(name);
    this.slots += 1;
    if (s % 2 ** GENERATION_BITS === 0) this.generations += 1;
  }
}

interface Tap {
  /** The call is up: channel 1 of either zone carries it, the others nothing. */
  talking: boolean;
  /** Which s a keystream is taken at for s: another one is a planted fault. */
  readonly slotOf: (s: number) => number;
  readonly samples: Samples | undefined;
  readonly log: KeystreamLog;
}

/**
 * Listens where messages are given to the link layer, in the clear, and where keystreams are taken, while `work` runs.
 * Machines do not say what they send, so this stands in front of their parts.
 */
function tapping(tap: Tap, work: () => void): void {
  let client: { readonly speaks: boolean } | undefined;
  const streams = new Map<unknown, string>();
  const streamOf = (link: unknown) => {
    const stream = streams.get(link) ?? String(streams.size);
    streams.set(link, stream);
    return stream;
  };
  const { xorInto } = CodingKeystream.prototype;
  const { send: sendUps } = Attachments.prototype;
  const { send } = Links.prototype;
  CodingKeystream.prototype.xorInto = function (target, targetWord, s) {
    const slot = tap.slotOf(s);
    if (client) tap.log.note((into) => xorInto.call(this, into, 0, slot), s);
    xorInto.call(this, target, targetWord, slot);
  };
  Attachments.prototype.send = function (now, wants, relay, outbox) {
    client = { speaks: relay !== undefined && this.granted };
    sendUps.call(this, now, wants, relay, outbox);
    client = undefined;
  };
  Links.prototype.send = function (link, outbox, length) {
    const offset = outbox.reserve() + LINK_HEADER_BYTES;
    const message = outbox.bytes.subarray(offset, offset + length);
    if (tap.samples) sample(tap.samples, tap.talking, client, streamOf(link), message, link.peer);
    send.call(this, link, outbox, length);
  };
  try {
    work();
  } finally {
    CodingKeystream.prototype.xorInto = xorInto;
    Attachments.prototype.send = sendUps;
    Links.prototype.send = send;
  }
}

function sample(
  samples: Samples,
  talking: boolean,
  client: { readonly speaks: boolean } | undefined,
  stream: string,
  message: Buffer,
  peer: unknown,
): void {
  const cell = message.subarray(-GEOMETRY.A.mix);
  const channel = message.readUInt16BE(2);
  const carries = talking && channel === CALL_CHANNEL;
  switch (message[0]) {
    case MESSAGE_KIND.up:
      return samples.addCell(client?.speaks ? 'B speaking' : 'B idle', stream, cell);
    case MESSAGE_KIND.round:
      return samples.addCell(carries ? 'X speaking' : 'X idle', `${stream} ${channel}`, cell);
    case MESSAGE_KIND.down: {
      // From the mix; what the superpeer makes of it is the same again for each client.
      if ((peer as { kind?: string }).kind !== 'superpeer') return;
      samples.add('DOWN control', message.subarray(DOWN_HEADER_BYTES, DOWN_HEADER_BYTES + CONTROL_BYTES));
      return samples.addCell(carries ? 'DOWN media active' : 'DOWN media idle', `${stream} ${channel}`, cell);
    }
  }
}

const CALL_CHANNEL = 1;

/** A call over channel 1 of either zone, and a channel in each on which nobody speaks, until there is enough of these. */
function listen(
  seed: string,
  check: Checker,
  slotOf: (s: number) => number,
  kinds: readonly string[],
): { samples: Samples; log: KeystreamLog } {
  const network = new Network(
    seed,
    ['eu', 'na'].map((name) => ({ name, superpeers: 2, params: { clientsPerChannel: 4 } })),
  );
  const { world } = network;
  const caller = network.addClient('eu', [CALL_CHANNEL]);
  const callee = network.addClient('na', [CALL_CHANNEL]);
  for (const zone of ['eu', 'na']) {
    network.addClients(zone, 2, [CALL_CHANNEL]);
    network.addClients(zone, 3, [CALL_CHANNEL + 1]);
  }
  for (const { machine } of [caller, callee]) machine.voice = recording();
  const samples = new Samples(network.world.randomFor('samples'));
  const tap = { talking: false, slotOf, samples, log: new KeystreamLog() };
  tapping(tap, () => {
    attachAll(network, check);
    setUp(network, caller, callee, check);
    network.run(1);
    tap.talking = true;
    world.tamper = (from, to, bytes) => {
      const link = wireOf(world.hosts.get(from)?.kind, world.hosts.get(to)?.kind);
      if (link && bytes[0] === LINK_KIND.transport) samples.add(`wire, ${link}`, bytes.subarray(LINK_HEADER_BYTES));
      return bytes;
    };
    check.expect(
      network.run(120, () => samples.areFull(kinds)),
      'there is not enough to test after two minutes',
    );
    check.expect(caller.machine.callState === 'talking' && callee.machine.callState === 'talking', 'the call was lost');
  });
  return { samples, log: tap.log };
}

function wireOf(from: HostKind | undefined, to: HostKind | undefined): (typeof LINKS)[number] | undefined {
  const inMesh = (kind: HostKind | undefined) => kind === 'mix' || kind === 'rendezvous';
  if (inMesh(from) && inMesh(to)) return 'mesh';
  return LINKS.find((link) => link === `${from} → ${to}`);
}

/** Attaches, calls, and lets everything happen after which a client needs other keys. */
function wear(seed: string, minutes: number, check: Checker, slotOf: (s: number) => number): KeystreamLog {
  const params = { attachmentsPerClient: 3, clientsPerChannel: 8, meshCellsPerTick: 8 };
  const plan = { mixes: 2, rendezvous: 2, superpeers: 4, channelsPerSuperpeer: 2, params };
  const network = new Network(seed, [
    { name: 'eu', ...plan },
    { name: 'na', ...plan },
  ]);
  const caller = network.addClient('eu');
  const callee = network.addClient('na');
  const others = [...network.addClients('eu', 5), ...network.addClients('na', 5)];
  const log = new KeystreamLog();
  tapping({ talking: false, slotOf, samples: undefined, log }, () => {
    attachAll(network, check);
    network.run(3);
    setUp(network, caller, callee, check);
    const happenings = [
      () => network.restart('eu-superpeer-1'),
      () => network.kill('eu-mix-1'),
      () => network.restart('eu-mix-1'),
      () => network.restart('eu-rendezvous-1'),
      () => network.restart(others[0]!.id),
      () => network.announce('na-mix-1', { draining: true }),
    ];
    for (const happen of happenings) {
      happen();
      network.run((minutes * 60) / happenings.length);
    }
  });
  return log;
}

const AS_IT_SHOULD = (s: number) => s;
/** Each slot twice, 32 ticks apart, at both ends: calls go on, and every single packet looks as random as before. */
const TWICE = (s: number) => s - (s & 32);
/** In one byte of twenty the first bit is set. */
const BIASED = (random: SeededRandom) => (bytes: Buffer) => {
  for (let i = 0; i < bytes.length; i += 1) if (random.next() < 0.05) bytes[i]! |= 0x80;
};

function run(seed: string, minutes: number): Outcome {
  const check = new Checker();
  const { samples, log } = listen(seed, check, AS_IT_SHOULD, KINDS);
  for (const [name, each] of samples.byName) check.expect(each.isFair(), `${name}: not like coin tosses`);
  check.expect(log.reused === 0, `${log.reused} slots of keystream were used again`);
  const worn = wear(seed, minutes, check, AS_IT_SHOULD);
  check.expect(worn.reused === 0, `${worn.reused} slots of keystream were used again, over changes of keys`);
  const planted = listen(seed, check, TWICE, ['B idle', xored('B idle')]);
  const found = (name: string) => !planted.samples.byName.get(name)!.isFair();
  check.expect(planted.log.reused > 0, 'slots that were used twice on purpose were not found');
  check.expect(!found('B idle'), 'a packet by itself should not show that its keystream was used before');
  check.expect(
    found(xored('B idle')) && found(xored('X idle')),
    'the XOR of packets does not show a keystream used twice',
  );
  const random = new SeededRandom(`${seed} bias`);
  for (const name of CELLS)
    check.expect(!samples.byName.get(name)!.changed(BIASED(random)).isFair(), `${name}: a bias was not found`);
  return {
    violations: check.violations,
    facts: {
      kinds: samples.byName.size,
      bitsOfAKind: SEQUENCES * SEQUENCE_BITS,
      slots: log.slots + worn.slots,
      changesOfGeneration: worn.generations,
      plantedReuses: planted.log.reused,
    },
  };
}

const property =
  'What superpeers read and what goes over the wire passes eight tests of randomness, idle and in a call alike, and so does ' +
  'the XOR of any two rounds of a channel; no slot of keystream is used twice, whatever restarts. A slot used twice and a bias of 5 % are found.';

export const entropy: Scenario = { name: 'entropy', property, set: 'short', minutes: 0.4, run };

/** Eleven minutes see every attachment change its keys. */
export const entropyLong: Scenario = {
  name: 'entropy-generations',
  property: `${property} Also over changes of generation.`,
  set: 'long',
  minutes: 13,
  run: (seed, minutes) => {
    const outcome = run(seed, minutes);
    const changed = outcome.facts.changesOfGeneration! > 0;
    return changed ? outcome : { ...outcome, violations: [...outcome.violations, 'no generation changed'] };
  },
};
