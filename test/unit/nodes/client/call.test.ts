import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { queryObjects } from 'node:v8';
import fc from 'fast-check';
import { EndToEnd, shortAuthenticationString, type VoiceIo, type VoiceTiming } from '../../../../nodes/client/call.ts';
import { MILLISECOND_US, type Micros, SECOND_US } from '../../../../nodes/core/units.ts';
import { Aead } from '../../../../nodes/crypto/aead.ts';
import { DhKeyPair } from '../../../../nodes/crypto/keys.ts';
import { Handshake } from '../../../../nodes/crypto/noise.ts';
import { GEOMETRY, type Profile, TICK_US } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { flipped, hex, readVectors } from '../support/vectors.ts';

interface Vectors {
  readonly calls: readonly {
    readonly row: number;
    readonly profile: Profile;
    readonly key: string;
    readonly cells: readonly { readonly now: Micros; readonly voice: string; readonly cell: string }[];
  }[];
  readonly sas: readonly { readonly row: number; readonly binding: string; readonly digits: string }[];
}

const vectors = readVectors<Vectors>('ratchet');
const START: Micros = 1_800_000_000 * SECOND_US;
const GEOMETRY_A = GEOMETRY.A;
const KEY_LIFE_US = 120 * SECOND_US;

/** One end of a call; says its own name and a number in each frame. */
class End {
  readonly name: string;
  readonly layer: EndToEnd;
  /** Numbers of the frames that were heard. */
  readonly heard: number[] = [];
  timing: VoiceTiming | undefined;
  #said = 0;
  readonly #voice: VoiceIo;

  constructor(name: string, peer: string, keys: { send: Buffer; receive: Buffer }) {
    this.name = name;
    this.layer = new EndToEnd(GEOMETRY_A, { send: Buffer.from(keys.send), receive: Buffer.from(keys.receive) });
    this.#voice = {
      next: (into) => {
        into.fill(name);
        into.writeUInt32BE(this.#said++, 0);
      },
      heard: (_now, counter, frame, timing) => {
        assert.equal(frame.length, GEOMETRY_A.voice);
        if (frame.readUInt32BE(0) !== counter || frame.toString('utf8', 4, 4 + peer.length) !== peer)
          assert.fail(`frame ${counter} is not what ${peer} said`);
        this.heard.push(counter);
        this.timing = timing;
      },
    };
  }

  cell(now: Micros): Buffer {
    const cell = Buffer.alloc(GEOMETRY_A.relayBody);
    this.layer.seal(now, cell, this.#voice);
    return cell;
  }

  open(now: Micros, cell: Buffer): boolean {
    return this.layer.open(now, Buffer.from(cell), this.#voice);
  }
}

function call(): { caller: End; callee: End } {
  const [one, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  return {
    caller: new End('abcd', 'efgh', { send: one, receive: other }),
    callee: new End('efgh', 'abcd', { send: other, receive: one }),
  };
}

const parity = (cell: Buffer) => cell[0] >>> 7;
const counterOf = (cell: Buffer) => cell.readUInt32BE(0) & 0x7fff_ffff;

for (const { row, profile, key, cells } of vectors.calls) {
  test(`row ${row}: cells of profile ${profile}, one at the end of each key's time, are those of another implementation`, () => {
    let voice = Buffer.alloc(0);
    const silent: VoiceIo = { next: (into) => voice.copy(into), heard: () => {} };
    const sender = new EndToEnd(GEOMETRY[profile], { send: hex(key), receive: Buffer.alloc(32) });
    for (const [index, vector] of cells.entries()) {
      voice = hex(vector.voice);
      const cell = Buffer.alloc(GEOMETRY[profile].endToEnd);
      sender.seal(vector.now, cell, silent);
      assert.equal(cell.toString('hex'), vector.cell, `cell ${index}`);
    }
  });
}

test('the keys that it is given are wiped', () => {
  const keys = { send: Buffer.alloc(32, 1), receive: Buffer.alloc(32, 2) };
  new EndToEnd(GEOMETRY_A, keys);
  assert.deepEqual(keys, { send: Buffer.alloc(32), receive: Buffer.alloc(32) });
});

test('in an hour’s call with 10 % loss and reordering, every cell that arrives opens', () => {
  const random = new SeededRandom('an hour');
  const { caller, callee } = call();
  const ways = [
    { from: caller, to: callee },
    { from: callee, to: caller },
  ].map((way) => ({ ...way, mail: new Map<number, Buffer[]>(), arrived: 0, late: 0, turns: 0, highest: 0, parity: 0 }));
  for (let tick = 0; tick < (3600 * SECOND_US) / TICK_US; tick += 1) {
    const now = START + tick * TICK_US;
    for (const way of ways) {
      const cell = way.from.cell(now);
      if (random.next() >= 0.1) {
        // 20 to 320 ms: up to 15 others overtake it.
        const at = tick + 1 + Math.floor(random.next() * 16);
        const due = way.mail.get(at);
        if (due) due.push(cell);
        else way.mail.set(at, [cell]);
      }
      for (const due of way.mail.get(tick) ?? []) {
        if (!way.to.open(now, due)) assert.fail(`cell ${counterOf(due)} to ${way.to.name}`);
        way.arrived += 1;
        if (parity(due) !== way.parity && counterOf(due) < way.highest) way.late += 1;
        if (counterOf(due) < way.highest) continue;
        if (parity(due) !== way.parity) way.turns += 1;
        way.highest = counterOf(due);
        way.parity = parity(due);
      }
      way.mail.delete(tick);
    }
  }
  for (const way of ways) {
    assert.equal(way.to.heard.length, way.arrived);
    assert(way.arrived > 160_000 && way.arrived < 164_000, `${way.arrived} of 180,000 arrived`);
    assert.equal(way.turns, 29, 'a new key every two minutes');
    assert(way.late > 20, `${way.late} cells came under a key that had been followed`);
  }
});

test('a key seals 65,536 cells and not one more, however little time has passed', () => {
  const { caller, callee } = call();
  for (let counter = 0; counter < 2 ** 17 + 10; counter += 1) {
    const cell = caller.cell(START);
    if (parity(cell) !== Math.floor(counter / 2 ** 16) % 2) assert.fail(`cell ${counter} has parity ${parity(cell)}`);
    if (counter % 1000 < 2 && !callee.open(START, cell)) assert.fail(`cell ${counter}`);
  }
});

test('a peer that hears nothing for two minutes still understands; one that has missed two keys never again', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 240 }), fc.integer({ min: 1, max: 400 }), (before, silent) => {
      const { caller, callee } = call();
      let now = START;
      const turnsIn = (seconds: number, listening: boolean) => {
        let turns = 0;
        for (let second = 0; second < seconds; second += 1, now += SECOND_US) {
          const cell = caller.cell(now);
          if (parity(cell) !== last) turns += 1;
          last = parity(cell);
          if (listening) assert(callee.open(now, cell));
        }
        return turns;
      };
      let last = 0;
      turnsIn(before, true);
      const missed = turnsIn(silent, false);
      // The next cell may be the first of one key more.
      const next = caller.cell(now);
      const generations = missed + (parity(next) === last ? 0 : 1);
      assert.equal(callee.open(now, next), generations <= 1, `${generations} keys in ${silent} s of silence`);
      if (silent <= 119) assert(generations <= 1);
    }),
    { numRuns: 200 },
  );
});

/** A call whose caller has just gone to its second key; cells of the first one that are still under way. */
function justTurned(): { callee: End; caller: End; late: Buffer[]; now: Micros } {
  const { caller, callee } = call();
  const late = [caller.cell(START), caller.cell(START)];
  assert(callee.open(START, caller.cell(START)));
  const now = START + KEY_LIFE_US;
  const turned = caller.cell(now);
  assert.equal(parity(turned), 1);
  assert(callee.open(now, turned));
  return { caller, callee, late, now };
}

test('the last key serves late cells for two seconds, and then no more', () => {
  const { callee, late, now } = justTurned();
  assert.equal(callee.open(now + 2 * SECOND_US, late[0]), true);
  assert.equal(callee.open(now + 2 * SECOND_US + 1, late[1]), false);
});

test('old keys are out of memory two seconds after the change, also if nothing more arrives', () => {
  const keys = () => queryObjects(Aead, { format: 'count' });
  const before = keys();
  const { caller, callee, now } = justTurned();
  assert.equal(keys(), before + 5, 'two at each end, and the last one');
  callee.cell(now + 2 * SECOND_US + 1);
  assert.equal(keys(), before + 4);
  assert(callee.open(now + 3 * SECOND_US, caller.cell(now + 3 * SECOND_US)));
});

test('a cell that claims another key and does not open changes nothing', () => {
  const { caller, callee } = call();
  const one = caller.cell(START);
  for (let i = 0; i < 300; i += 1) {
    const forged = flipped(one, 0);
    forged.writeUInt32BE((0x8000_0000 + i * 1000) >>> 0, 0);
    assert.equal(callee.open(START, forged), false);
  }
  assert.equal(callee.open(START, one), true);
  const next = caller.cell(START + KEY_LIFE_US);
  assert.equal(callee.open(START + KEY_LIFE_US, flipped(next, 0)), false, 'the parity is proved by the key');
  assert.equal(callee.open(START + KEY_LIFE_US, next), true);
});

test('a cell with any bit flipped, a replay and the peer’s own cells do not open', () => {
  const { caller, callee } = call();
  const cell = caller.cell(START);
  for (let bit = 0; bit < GEOMETRY_A.endToEnd * 8; bit += 1)
    if (callee.open(START, flipped(cell, bit))) assert.fail(`bit ${bit}`);
  assert.equal(caller.open(START, cell), false, 'sent back');
  assert.equal(callee.open(START, cell), true);
  assert.equal(callee.open(START, cell), false, 'again');
  assert.deepEqual(callee.heard, [0]);
});

test('either side knows the round trip without a common clock', () => {
  const { caller, callee } = call();
  const skew = 77 * SECOND_US;
  assert.equal(callee.layer.confirmed, false);
  assert(callee.open(START + skew, caller.cell(START)));
  assert.equal(callee.layer.confirmed, true);
  assert.equal(callee.timing?.roundTripUs, undefined, 'nothing of ours has come back yet');
  const answer = callee.cell(START + skew + 20 * MILLISECOND_US);
  assert(caller.open(START + 120 * MILLISECOND_US, answer));
  assert.equal(caller.timing?.roundTripUs, 100 * MILLISECOND_US);
  assert.equal(caller.timing?.oneWayUs, 100 * MILLISECOND_US - skew);
});

// The digits that both ends read to each other

for (const { row, binding, digits } of vectors.sas) {
  test(`row ${row}: the digits of a channel binding are those of another implementation`, () => {
    assert.equal(shortAuthenticationString(hex(binding)), digits);
  });
}

const key = (name: string) => createHash('sha256').update(name).digest();

/** A handshake of `caller`, who believes that `known` is whom he calls, with whoever holds `callee`. */
function bindings(caller: string, known: string, callee: string, run: number): [caller: string, callee: string] {
  const options = { pattern: 'IK', prologue: 'herd 1 call' } as const;
  const remote = new DhKeyPair(key(known)).publicKey;
  const first = new Handshake({ ...options, initiator: true, local: new DhKeyPair(key(caller)), remote });
  const second = new Handshake({ ...options, initiator: false, local: new DhKeyPair(key(callee)) });
  assert(second.read(first.write(new Uint8Array(8), key(`${caller} ${callee} ${run} first`))!));
  assert(first.read(second.write(new Uint8Array(0), key(`${caller} ${callee} ${run} second`))!));
  return [shortAuthenticationString(first.channelBinding()), shortAuthenticationString(second.channelBinding())];
}

test('both ends see the same digits, and others in every call', () => {
  const seen = new Set<string>();
  for (let run = 0; run < 50; run += 1) {
    const [caller, callee] = bindings('alice', 'bob', 'bob', run);
    assert.match(caller, /^\d{3} \d{3}$/);
    assert.equal(caller, callee);
    seen.add(caller);
  }
  assert.equal(seen.size, 50);
});

test('with somebody between them who runs a call with each, the two see different digits', () => {
  for (let run = 0; run < 50; run += 1) {
    const [alice, mallory] = bindings('alice', 'mallory', 'mallory', run);
    const [again, bob] = bindings('mallory', 'bob', 'bob', run);
    assert.equal(alice, mallory);
    assert.equal(again, bob);
    assert.notEqual(alice, bob, `call ${run}`);
  }
});

test('every digit is as frequent as the others, at every place', () => {
  const counts = Array.from({ length: 6 }, () => Array<number>(10).fill(0));
  const runs = 20_000;
  for (let run = 0; run < runs; run += 1) {
    const digits = shortAuthenticationString(key(`binding ${run}`)).replace(' ', '');
    for (const [place, digit] of [...digits].entries()) counts[place][Number(digit)] += 1;
  }
  // Binomial: a standard deviation is 42, and the rows are fixed; seven of them.
  for (const [place, row] of counts.entries())
    for (const [digit, count] of row.entries())
      assert(Math.abs(count - runs / 10) < 300, `digit ${digit} at place ${place + 1}: ${count}`);
});
