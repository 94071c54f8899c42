import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { MILLISECOND_US, SECOND_US } from '../../../../nodes/core/units.ts';
import { AEAD_TAG_BYTES, Aead } from '../../../../nodes/crypto/aead.ts';
import { GENERATION_BITS, Generations } from '../../../../nodes/crypto/generations.ts';
import { CodingKeystream } from '../../../../nodes/crypto/keystream.ts';
import { ReplayWindow } from '../../../../nodes/crypto/replay.ts';
import {
  Audit,
  Auditor,
  BAD_ROUNDS_MAX,
  type BadRound,
  Jury,
  type Verdict,
  type Witness,
} from '../../../../nodes/mix/audit.ts';
import { GEOMETRY, MANIFEST_PRESENT, MANIFEST_SEQUENCE_MASK, TICK_US } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';

const GEOMETRY_A = GEOMETRY.A;
const SLOTS = 6;
const HEADER = 12;
/** Trials of the properties: network.md 6, case 5, asks for 10^4. */
const TRIALS = Number(process.env.HERD_AUDIT_TRIALS ?? 1000);
const FIRST = 1000;
const JOINED = 0;
/** 1000 ticks after everybody has joined. */
const NOW = 1000 * TICK_US;

class Client implements Witness {
  readonly coding: Generations<CodingKeystream>;
  readonly cellReceive: Generations<Aead>;
  readonly audit: Generations<Aead>;
  readonly codingWindow = new ReplayWindow();
  readonly firstSequence = FIRST;
  readonly attachedAt = JOINED;

  constructor(fill: number) {
    const chain = <T>(offset: number, make: (key: Buffer) => T) =>
      new Generations(Buffer.alloc(32, fill + offset), FIRST, make);
    this.coding = chain(0, (key) => new CodingKeystream(key, GEOMETRY_A.mix));
    this.cellReceive = chain(50, (key) => new Aead(key));
    this.audit = chain(100, (key) => new Aead(key));
  }

  /** s, T and B: the keystream, with `plain` in it. */
  packet(sequence: number, plain: Uint8Array = new Uint8Array(GEOMETRY_A.mix)): Buffer {
    const words = new Uint32Array(GEOMETRY_A.mix / 4);
    const coded = Buffer.from(words.buffer);
    coded.set(plain);
    this.coding.at(sequence)!.xorInto(words, 0, sequence);
    return this.#tagged(sequence, coded);
  }

  /** A packet with a whole cell. */
  speech(sequence: number): Buffer {
    const cell = Buffer.alloc(GEOMETRY_A.mix, 7);
    this.cellReceive.at(sequence)!.seal(cell, 0, GEOMETRY_A.mixPlain, sequence);
    return this.packet(sequence, cell);
  }

  #tagged(sequence: number, coded: Buffer): Buffer {
    const packet = Buffer.alloc(HEADER + coded.length);
    packet.writeUInt32BE(sequence, 0);
    const tag = Buffer.alloc(AEAD_TAG_BYTES);
    this.audit.at(sequence)!.seal(tag, 0, 0, sequence, coded);
    tag.copy(packet, 4, 0, HEADER - 4);
    coded.copy(packet, HEADER);
    return packet;
  }
}

const CLIENTS = Array.from({ length: SLOTS }, (_, slot) => new Client(slot + 1));

/** What an honest superpeer makes of these packets, by slot: X and the manifest. */
function summed(packets: readonly (Buffer | undefined)[]): { sum: Buffer; manifest: Uint8Array } {
  const sum = Buffer.alloc(GEOMETRY_A.mix);
  const manifest = new Uint8Array(SLOTS);
  for (const [slot, packet] of packets.entries()) {
    if (!packet) continue;
    for (let i = 0; i < sum.length; i += 1) sum[i]! ^= packet[HEADER + i]!;
    manifest[slot] = MANIFEST_PRESENT | (packet[3]! & MANIFEST_SEQUENCE_MASK);
  }
  return { sum, manifest };
}

type Round = BadRound<Client>;

function roundOf(packets: readonly (Buffer | undefined)[], change: Partial<Round> = {}): Round {
  const deserted = new Array<boolean>(SLOTS).fill(false);
  return { number: 5, at: NOW, ...summed(packets), clients: CLIENTS, deserted, speaker: undefined, ...change };
}

/** The verdict on a round when these packets are shown. */
function judged(round: Round, shown: readonly (Buffer | undefined)[]): Verdict<Client> {
  const audit = new Audit(round, GEOMETRY_A);
  for (const [slot, packet] of shown.entries()) if (packet) audit.show(slot, packet);
  return audit.judge();
}

const S = FIRST + 900;
const silence = () => CLIENTS.map((client) => client.packet(S));
const findings = (verdict: Verdict<Client>) =>
  verdict.kind === 'clients'
    ? verdict.findings
        .filter(({ kind }) => kind !== 'counts')
        .map(({ kind, client }) => [kind, CLIENTS.indexOf(client)])
    : verdict;
const flipped = (packet: Buffer, at: number) => {
  const copy = Buffer.from(packet);
  copy[at]! ^= 1;
  return copy;
};

test('a round of keystreams and the speaker’s cell is nobody’s fault', () => {
  const packets = silence();
  packets[2] = CLIENTS[2]!.speech(S);
  assert.deepEqual(findings(judged(roundOf(packets, { speaker: CLIENTS[2] }), packets)), []);
});

test('the superpeer is guilty of what contradicts its own words', () => {
  const packets = silence();
  const honest = roundOf(packets);
  const rows: [string, Round, (Buffer | undefined)[], string][] = [
    ['X has a flipped bit', roundOf(packets, { sum: flipped(honest.sum as Buffer, 9) }), packets, 'sum'],
    [
      'X has a packet more than it names',
      { ...honest, manifest: summed(packets.slice(0, 5)).manifest },
      packets,
      'sum',
    ],
    ['X has a packet less', { ...honest, sum: summed(packets.slice(0, 5)).sum }, packets, 'sum'],
    [
      'the manifest names another number',
      { ...honest, manifest: honest.manifest.map((byte) => byte ^ 1) },
      packets,
      'manifest',
    ],
    ['a packet is shown that was not in it', honest, [CLIENTS[0]!.packet(S + 128), ...packets.slice(1)], 'sum'],
    [
      'a client is named that it knows to be gone',
      { ...honest, deserted: honest.deserted.map((_, i) => i === 3) },
      packets,
      'deserted',
    ],
  ];
  for (const [what, round, shown, reason] of rows)
    assert.deepEqual(judged(round, shown), { kind: 'guilty', reason }, what);
});

test('a packet that was in a round before makes its superpeer guilty', () => {
  const client = new Client(1);
  const clients = [client, ...CLIENTS.slice(1)];
  const packets = silence();
  client.codingWindow.mark(S);
  assert.deepEqual(judged(roundOf(packets, { clients }), packets), { kind: 'guilty', reason: 'replayed' });
  const fresh = packets.with(0, client.packet(S + 1));
  assert.deepEqual(findings(judged(roundOf(fresh, { clients }), fresh)), []);
});

test('a client jams that sends neither keystream nor a cell, speaker or not, or numbers that it cannot have come to', () => {
  const noise = Buffer.alloc(GEOMETRY_A.mix, 3);
  const packets = silence();
  packets[4] = CLIENTS[4]!.packet(S, noise);
  for (const speaker of [undefined, CLIENTS[4], CLIENTS[0]])
    assert.deepEqual(findings(judged(roundOf(packets, { speaker }), packets)), [['jams', 4]]);
  const ahead = silence();
  ahead[1] = CLIENTS[1]!.packet(FIRST + 1000 + 300);
  assert.deepEqual(findings(judged(roundOf(ahead), ahead)), [['jams', 1]]);
});

test('client and superpeer are parted when T does not verify, and when a cell comes out of turn', () => {
  for (const at of [0, 5, HEADER + 4]) {
    const packets = silence();
    packets[1] = flipped(packets[1]!, at);
    assert.deepEqual(findings(judged(roundOf(packets), packets)), [['doubtful', 1]], `byte ${at}`);
  }
  const packets = silence();
  packets[3] = CLIENTS[3]!.speech(S);
  assert.deepEqual(findings(judged(roundOf(packets, { speaker: CLIENTS[2] }), packets)), [['doubtful', 3]]);
});

test('where no key reaches, an all-zero T is no genuine one', () => {
  const packets = silence();
  packets[0] = Buffer.alloc(HEADER + GEOMETRY_A.mix);
  packets[0].writeUInt32BE(FIRST + 4 * 2 ** GENERATION_BITS);
  assert.deepEqual(findings(judged(roundOf(packets), packets)), [['doubtful', 0]]);
});

test('an honest count that the mix has lost is taken up again', () => {
  const packets = silence().with(2, CLIENTS[2]!.packet(S + 128));
  const verdict = judged(roundOf(packets), packets);
  assert(verdict.kind === 'clients');
  assert.deepEqual(verdict.findings[2], { kind: 'counts', client: CLIENTS[2], sequence: S + 128 });
});

/** What a liar sends in place of an honest packet. */
type Lie = 'honest' | 'absent' | 'noise' | 'bad-tag' | 'bad-cell' | 'out-of-turn' | 'ahead' | 'behind';
const LIES: readonly Lie[] = ['honest', 'absent', 'noise', 'bad-tag', 'bad-cell', 'out-of-turn', 'ahead', 'behind'];

function told(client: Client, lie: Lie, random: SeededRandom): Buffer | undefined {
  switch (lie) {
    case 'honest':
      return client.packet(S);
    case 'absent':
      return undefined;
    case 'noise': {
      const noise = Buffer.alloc(GEOMETRY_A.mix);
      random.fill(noise);
      return client.packet(S, noise);
    }
    case 'bad-tag':
      return flipped(client.packet(S), 4 + random.below(8));
    case 'bad-cell':
      return flipped(client.speech(S), HEADER + random.below(GEOMETRY_A.mix));
    case 'out-of-turn':
      return client.speech(S);
    case 'ahead':
      return client.packet(S + 128 * (1 + random.below(100)));
    case 'behind':
      return client.packet(S - 128 * (1 + random.below(5)));
    default:
      return lie satisfies never;
  }
}

test(`an honest superpeer is never guilty, an honest client never jams nor is doubted, whoever else lies: ${TRIALS} rounds`, () => {
  let blamed = 0;
  const seeds = fc.string({ minLength: 1, maxLength: 12 });
  const lies = fc.array(fc.constantFrom(...LIES), { minLength: SLOTS, maxLength: SLOTS });
  fc.assert(
    fc.property(seeds, lies, fc.nat(SLOTS), (seed, chosen, speaking) => {
      const random = new SeededRandom(seed);
      const packets = CLIENTS.map((client, slot) => told(client, chosen[slot]!, random));
      const speaker = CLIENTS[speaking];
      if (speaker && chosen[speaking] === 'honest' && random.below(2) === 0) packets[speaking] = speaker.speech(S);
      const verdict = judged(roundOf(packets, { speaker }), packets);
      assert.equal(verdict.kind, 'clients');
      for (const { kind, client } of verdict.kind === 'clients' ? verdict.findings : []) {
        if (kind === 'counts') continue;
        blamed += 1;
        const lie = chosen[CLIENTS.indexOf(client)]!;
        assert.notEqual(lie, 'honest');
        if (kind === 'jams') assert(['noise', 'bad-cell', 'ahead'].includes(lie), lie);
      }
    }),
    { numRuns: TRIALS },
  );
  assert(blamed > TRIALS, 'liars are found, or the property says nothing');
});

/** What a superpeer does to an honest round. */
type Deed = 'X' | 'manifest' | 'left-out' | 'put-in' | 'altered' | 'silent';
const DEEDS: readonly Deed[] = ['X', 'manifest', 'left-out', 'put-in', 'altered', 'silent'];

test(`a superpeer that spoils a round of honest clients pays: guilty, or parted from a client; none of them jams: ${TRIALS} rounds`, () => {
  const seen = new Set<string>();
  fc.assert(
    fc.property(fc.string(), fc.constantFrom(...DEEDS), (seed, deed) => {
      const random = new SeededRandom(seed);
      const packets: (Buffer | undefined)[] = silence();
      const slot = random.below(SLOTS);
      const bit = (bytes: Uint8Array) => {
        bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
      };
      let { sum, manifest } = summed(packets);
      if (deed === 'X') bit(sum);
      else if (deed === 'manifest') manifest[slot]! ^= 1 + random.below(127);
      else if (deed === 'left-out') sum = summed(packets.with(slot, undefined)).sum;
      else if (deed === 'put-in') ({ manifest } = summed(packets.with(slot, undefined)));
      else if (deed === 'silent') packets[slot] = undefined;
      else {
        const altered = Buffer.from(packets[slot]!);
        bit(altered.subarray(HEADER));
        packets[slot] = altered;
        ({ sum, manifest } = summed(packets));
      }
      const verdict = judged(roundOf(packets, { sum, manifest }), packets);
      seen.add(`${deed} ${verdict.kind}`);
      const wanted = { altered: 'clients', silent: 'unanswered' }[deed as string] ?? 'guilty';
      assert.equal(verdict.kind, wanted);
      if (deed === 'altered') assert.deepEqual(findings(verdict), [['doubtful', slot]]);
    }),
    { numRuns: TRIALS },
  );
  assert.equal(seen.size, DEEDS.length);
});

test(`a minority of a channel's clients cannot expel its superpeer by marks, however often it comes back; a majority can: ${TRIALS} juries`, () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.nat(20), fc.array(fc.nat(40)), (honest, liars, order) => {
      const attached = Array.from({ length: honest + liars }, (_, index) => `client-${index}`);
      const jury = new Jury();
      const lying = attached.slice(honest);
      let expelled = false;
      // Liars also come back under other names; what they say in the hour after the first mark is counted.
      for (const [at, index] of [...order, ...lying.keys()].entries())
        expelled ||= jury.mark(at * SECOND_US, lying[index] ?? `again-${index}`, attached);
      if (liars <= honest) assert.equal(expelled, false);
      else if (order.length === 0 || order[0]! < liars) assert.equal(expelled, liars >= 3);
    }),
    { numRuns: TRIALS },
  );
});

const packets = silence();
const spoiled = () => roundOf(packets, { sum: flipped(summed(packets).sum, 0) });

/** Bad rounds, one a tick, until an audit begins; how many it took. */
function begin(auditor: Auditor<Client>, from: number): number {
  for (let count = 1; count < 20; count += 1) if (auditor.bad(from + count * TICK_US, spoiled)) return count;
  return Number.NaN;
}

test('more than eight bad rounds in five seconds begin an audit; fewer, or slower ones, do not', () => {
  assert.equal(begin(new Auditor<Client>(GEOMETRY_A), 0), BAD_ROUNDS_MAX + 1);
  const slow = new Auditor<Client>(GEOMETRY_A);
  for (let at = 0; at < 60; at += 1) assert.equal(slow.bad(at * 640 * MILLISECOND_US, spoiled), false);
});

test('an audit asks, asks again for what is missing, and judges as soon as all is there', () => {
  const auditor = new Auditor<Client>(GEOMETRY_A);
  begin(auditor, 0);
  let now = SECOND_US;
  assert.deepEqual(auditor.tick(now), { ask: 5 });
  for (const slot of [0, 1, 2]) {
    now += TICK_US;
    assert(auditor.shown(now, 5, slot, packets[slot]!));
  }
  assert.equal(auditor.shown(now, 4, 3, packets[3]!), false, 'of another round');
  assert.equal(auditor.tick(now + 300 * MILLISECOND_US), undefined);
  assert.deepEqual(auditor.tick(now + 301 * MILLISECOND_US), { ask: 5 });
  for (const slot of [0, 3, 4, 5]) auditor.shown(now, 5, slot, packets[slot]!);
  assert.deepEqual(auditor.tick(now), { kind: 'guilty', reason: 'sum' });
  assert.equal(auditor.tick(now), undefined);
});

/** Ticks until there is a verdict; how often it asked. */
function unanswered(auditor: Auditor<Client>, from: number): { asks: number; verdict: unknown } {
  begin(auditor, from);
  let asks = 0;
  for (let now = from + 10 * TICK_US; ; now += TICK_US) {
    const step = auditor.tick(now);
    if (step && 'ask' in step) asks += 1;
    else if (step) return { asks, verdict: step };
  }
}

test('one audit without an answer proves nothing, three in a row do; one that is answered between them forgives', () => {
  const auditor = new Auditor<Client>(GEOMETRY_A);
  assert.deepEqual(unanswered(auditor, 0), { asks: 3, verdict: { kind: 'unanswered' } });
  assert.deepEqual(unanswered(auditor, 10 * SECOND_US).verdict, { kind: 'unanswered' });
  const fair = roundOf(packets);
  for (let tick = 0; tick < 9; tick += 1) auditor.bad(20 * SECOND_US + tick, () => fair);
  for (const [slot, packet] of packets.entries()) auditor.shown(21 * SECOND_US, 5, slot, packet);
  assert.equal((auditor.tick(21 * SECOND_US) as { kind: string }).kind, 'clients');
  for (const [at, kind] of [
    [30, 'unanswered'],
    [40, 'unanswered'],
    [50, 'guilty'],
  ] as const)
    assert.equal((unanswered(auditor, at * SECOND_US).verdict as { kind: string }).kind, kind);
});

test('two clients that are alone on a channel cannot expel its superpeer, three of three can', () => {
  const enough = (members: readonly string[]) => {
    const jury = new Jury();
    return members.map((member, at) => jury.mark(at * SECOND_US, member, members));
  };
  assert.deepEqual(enough(['a', 'b']), [false, false]);
  assert.deepEqual(enough(['a', 'b', 'c']), [false, false, true]);
});
