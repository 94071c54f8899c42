import assert from 'node:assert/strict';
import { EndToEnd } from '../../nodes/client/call.ts';
import { NO_VOICE, Signalling } from '../../nodes/client/signalling.ts';
import { printContact } from '../../nodes/config/contact.ts';
import { DropCounters } from '../../nodes/core/drop.ts';
import { MILLISECOND_US, SECOND_US } from '../../nodes/core/units.ts';
import { DhKeyPair, Identity } from '../../nodes/crypto/keys.ts';
import { Handshake, type Pattern } from '../../nodes/crypto/noise.ts';
import {
  E1_BYTES,
  E1_TIME_BYTES,
  E2_BYTES,
  GEOMETRY,
  PROLOGUE,
  RELAY_COMMAND,
  RELAY_HEADER_BYTES,
  TICK_US,
} from '../../nodes/wire/constants.ts';
import { SeededRandom } from '../sim/random.ts';
import { Network } from '../sim/zones.ts';
import type { Target } from './target.ts';

/** What reaches a client's innermost layers: relay cells of a hostile rendezvous, cells of a call that are not the peer's. */
const GEOMETRY_A = GEOMETRY.A;
const BATCH = 2000;
const COMMANDS: readonly number[] = Object.values(RELAY_COMMAND);
const NOW = 1_800_000_000 * SECOND_US;
const EVENTS_PER_TICK_MAX = 4;

function identityOf(random: SeededRandom): Identity {
  const seed = Buffer.alloc(32);
  random.fill(seed);
  return new Identity(seed);
}

function secretOf(random: SeededRandom): Buffer {
  const secret = Buffer.alloc(32);
  random.fill(secret);
  return secret;
}

function flip(random: SeededRandom, bytes: Buffer): void {
  for (let n = 1 + random.below(3); n > 0; n -= 1) bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
}

export const relayCells: Target = {
  name: 'relay cells at a client',
  property:
    'Whatever its rendezvous say, in whatever order, and whenever it places, answers and ends calls itself, a client has ' +
    'at most one call, says a whole relay cell or nothing in each tick, and tells its user a handful of events.',
  start: (seed) => {
    const random = new SeededRandom(seed);
    const view = new Network('relay cells', [{ name: 'eu', rendezvous: 2 }]).viewOf('eu');
    const identity = identityOf(random);
    const others = Array.from({ length: 6 }, () => identityOf(random));
    const rendezvous = view.own.nodes.filter(({ role }) => role === 'rendezvous');
    let now = NOW;
    let events = 0;
    const signalling = new Signalling({
      identity,
      entropy: random.fill,
      drops: new DropCounters(),
      geometry: GEOMETRY_A,
      cookie: Buffer.alloc(16),
      consensusOf: () => view.own,
      ownRendezvous: () => rendezvous,
      reaches: () => random.next() < 0.9,
      tell: () => {
        events += 1;
      },
    });
    /** E1s that are good, for a while; and what the client said last, which a hostile peer knows. */
    const firsts: Buffer[] = [];
    let lastSaid = Buffer.alloc(GEOMETRY_A.relayPlain);
    const newFirst = () => {
      const handshake = new Handshake({
        pattern: 'IK',
        initiator: true,
        prologue: PROLOGUE.call,
        local: random.pick(others).endToEnd,
        remote: identity.endToEnd.publicKey,
      });
      const time = Buffer.alloc(E1_TIME_BYTES);
      time.writeBigUInt64BE(BigInt(Math.floor(now / MILLISECOND_US)));
      return handshake.write(time, secretOf(random))!;
    };
    const hostile = (plain: Buffer) => {
      random.fill(plain);
      plain[0] = random.next() < 0.95 ? random.pick(COMMANDS) : random.below(256);
      plain[1] = random.below(3) === 0 ? random.below(256) : random.pick([1, 2, 128, 129]);
      const body = plain.subarray(RELAY_HEADER_BYTES);
      if (random.next() < 0.5) lastSaid.copy(body, 0, RELAY_HEADER_BYTES);
      // An E1 that does not verify costs a Diffie-Hellman; most of these are known already, or are no RING.
      if (plain[0] === RELAY_COMMAND.ring) {
        if (firsts.length === 0) plain[0] = RELAY_COMMAND.pad;
        else random.pick(firsts).copy(body, 0, 0, E1_BYTES);
        if (random.below(200) === 0) flip(random, body.subarray(0, E1_BYTES));
      }
      if (plain[0] === RELAY_COMMAND.answer && random.below(20) > 0) plain[0] = RELAY_COMMAND.voice;
      assert(E2_BYTES < body.length);
    };
    const plain = Buffer.alloc(GEOMETRY_A.relayPlain);
    return () => {
      for (let input = 0; input < BATCH; input += 1) {
        hostile(plain);
        signalling.take(now, random.pick(rendezvous).tag, plain);
        if (input % 10 > 0) continue;
        // A tick, and what the user may do.
        now += TICK_US;
        if (random.below(100) === 0) firsts[random.below(8)] = newFirst();
        for (let i = firsts.length - 1; i >= 0; i -= 1) firsts[i] ??= newFirst();
        if (random.below(40) === 0) signalling.answer(now);
        if (random.below(100) === 0) signalling.place(now, printContact('eu', random.pick(others).publicKey));
        if (random.below(60) === 0) signalling.hangUp();
        signalling.tick(now, random.next() < 0.7, random.next() < 0.02);
        const said = signalling.next(now);
        if (said) {
          assert.equal(said.plain.length, GEOMETRY_A.relayPlain);
          assert(COMMANDS.includes(said.plain[0]!) && said.plain[0] !== RELAY_COMMAND.ring);
          lastSaid = Buffer.from(said.plain);
        }
        assert.equal(signalling.wants, signalling.state !== 'idle');
        assert(events <= EVENTS_PER_TICK_MAX * 10, `${events} events in a tick`);
        events = 0;
      }
      return BATCH;
    };
  },
};

/** The two ends of a call. */
function call(random: SeededRandom): [EndToEnd, EndToEnd] {
  const [caller, callee] = [identityOf(random), identityOf(random)];
  const prologue = PROLOGUE.call;
  const remote = callee.endToEnd.publicKey;
  const one = new Handshake({ pattern: 'IK', initiator: true, prologue, local: caller.endToEnd, remote });
  const two = new Handshake({ pattern: 'IK', initiator: false, prologue, local: callee.endToEnd });
  two.read(one.write(Buffer.alloc(E1_TIME_BYTES), secretOf(random))!);
  one.read(two.write(Buffer.alloc(0), secretOf(random))!);
  return [new EndToEnd(GEOMETRY_A, one.split()), new EndToEnd(GEOMETRY_A, two.split())];
}

export const voiceCells: Target = {
  name: 'cells of a call',
  property:
    'No cell opens that is changed, old or made up, whatever counter and key bit it shows, and however many there are the ' +
    'next true one does.',
  start: (seed) => {
    const random = new SeededRandom(seed);
    const [caller, callee] = call(random);
    const cell = Buffer.alloc(GEOMETRY_A.relayBody);
    const kept = Array.from({ length: 8 }, () => Buffer.alloc(GEOMETRY_A.relayBody));
    let now = NOW;
    return () => {
      now += TICK_US;
      caller.seal(now, cell, NO_VOICE);
      cell.copy(random.pick(kept));
      const lie = Buffer.alloc(GEOMETRY_A.relayBody);
      for (let input = 0; input < BATCH; input += 1) {
        if (random.below(4) === 0) {
          // Old ones, word for word; those that have not been are kept from the callee for ever.
          random.pick(kept).copy(lie);
          if (lie.equals(cell)) flip(random, lie);
        } else {
          cell.copy(lie);
          flip(random, lie);
          if (random.next() < 0.5) lie.writeUInt32BE(random.below(2 ** 32), 0);
        }
        // Bytes behind the cell are no part of it.
        if (lie.compare(cell, 0, GEOMETRY_A.endToEnd, 0, GEOMETRY_A.endToEnd) === 0) continue;
        assert.equal(callee.open(now, lie, NO_VOICE), false);
      }
      assert.equal(callee.open(now, cell, NO_VOICE), true);
      return BATCH;
    };
  },
};

const HANDSHAKES: readonly [Pattern, string][] = [
  ['IK', PROLOGUE.link],
  ['NK', PROLOGUE.attach],
  ['IK', PROLOGUE.call],
];
const HANDSHAKE_BATCH = 20;

export const handshakes: Target = {
  name: 'handshakes',
  property: 'A handshake message that is changed, cut or longer is not read, and the true one still is after it.',
  start: (seed) => {
    const random = new SeededRandom(seed);
    const [initiator, responder] = [new DhKeyPair(secretOf(random)), new DhKeyPair(secretOf(random))];
    return () => {
      const [pattern, prologue] = random.pick(HANDSHAKES);
      const local = pattern === 'IK' ? { local: initiator } : {};
      const remote = responder.publicKey;
      const one = new Handshake({ pattern, initiator: true, prologue, remote, ...local });
      const two = new Handshake({ pattern, initiator: false, prologue, local: responder });
      for (const [from, to] of [
        [one, two],
        [two, one],
      ] as const) {
        const message = from.write(Buffer.alloc(random.below(40)), secretOf(random))!;
        for (let input = 0; input < HANDSHAKE_BATCH / 2; input += 1) {
          let lie = Buffer.from(message);
          const way = random.below(4);
          if (way === 0) lie = lie.subarray(0, random.below(lie.length));
          else if (way === 1) lie = Buffer.concat([lie, Buffer.alloc(1 + random.below(9))]);
          else if (way === 2) random.fill(lie);
          // X25519 does not look at the top bit of a key, but the hash does.
          else flip(random, lie);
          if (!lie.equals(message)) assert.equal(to.read(lie), undefined);
        }
        assert(to.read(message));
      }
      return HANDSHAKE_BATCH;
    };
  },
};
