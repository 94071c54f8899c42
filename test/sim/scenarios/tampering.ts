import {
  AUDIT_TAG_BYTES,
  CONTROL_BYTES,
  COUNTER_BYTES,
  DOWN_HEADER_BYTES,
  GEOMETRY,
  MESSAGE_KIND,
  manifestBytes,
  ROUND_HEADER_BYTES,
  SIGNAL_BYTES,
  SIGNAL_ENTRY_BYTES,
  UP_HEADER_BYTES,
} from '../../../nodes/wire/constants.ts';
import { betray, type Deed, GAP_MS_MAX } from '../betrayal.ts';
import type { SeededRandom } from '../random.ts';
import { Checker, type Scenario } from '../scenario.ts';

/** pair.ts. */
const SLOTS = 8;
const SIGNALS_AT = ROUND_HEADER_BYTES + manifestBytes(SLOTS);
const CELL = GEOMETRY.A.mix;

interface Tampering extends Deed {
  /** Seconds within which it must be expelled. */
  readonly withinS: number;
}

/** Flips a bit in these bytes. */
function flip(random: SeededRandom, bytes: Buffer): void {
  bytes[random.below(bytes.length)]! ^= 1 << random.below(8);
}

/** Does something to the messages of a kind that the superpeer sends or gets. */
function each(way: 'says' | 'hears', kind: number, change: (message: Buffer) => void) {
  return {
    [way]: (message: Buffer) => {
      if (message[0] === kind) change(message);
      return true;
    },
  };
}

const control = (message: Buffer) => message.subarray(DOWN_HEADER_BYTES, DOWN_HEADER_BYTES + CONTROL_BYTES);

const IN_ROUNDS: readonly Tampering[] = [
  {
    what: 'X',
    lies: (random) => each('says', MESSAGE_KIND.round, (round) => flip(random, round.subarray(-CELL))),
    seconds: 10,
    withinS: 2,
  },
  {
    what: 'manifest',
    lies: (random) =>
      each('says', MESSAGE_KIND.round, (round) => flip(random, round.subarray(ROUND_HEADER_BYTES, SIGNALS_AT))),
    seconds: 10,
    withinS: 4,
  },
];

const ELSEWHERE: readonly Tampering[] = [
  {
    what: 'signals',
    lies: (random) =>
      each('says', MESSAGE_KIND.round, (round) => {
        for (const entry of [1, 2])
          flip(
            random,
            round.subarray(
              SIGNALS_AT + entry * SIGNAL_ENTRY_BYTES - SIGNAL_BYTES,
              SIGNALS_AT + entry * SIGNAL_ENTRY_BYTES,
            ),
          );
      }),
    seconds: 20,
    withinS: 10,
  },
  {
    what: 'packets of clients',
    lies: (random) => each('hears', MESSAGE_KIND.up, (up) => flip(random, up.subarray(UP_HEADER_BYTES + SIGNAL_BYTES))),
    seconds: 20,
    withinS: 10,
  },
  {
    what: 'T of clients',
    lies: (random) =>
      each('hears', MESSAGE_KIND.up, (up) => {
        flip(random, up.subarray(UP_HEADER_BYTES + SIGNAL_BYTES));
        flip(random, up.subarray(COUNTER_BYTES * 2, COUNTER_BYTES * 2 + AUDIT_TAG_BYTES));
      }),
    seconds: 20,
    withinS: 10,
  },
  {
    what: 'seven in ten frames down',
    lies: (random) =>
      each('says', MESSAGE_KIND.down, (down) => {
        if (random.next() >= 0.7) return;
        flip(random, control(down));
        flip(random, down.subarray(-CELL));
      }),
    seconds: 40,
    withinS: 30,
  },
  {
    what: 'all frames down',
    lies: (random) =>
      each('says', MESSAGE_KIND.down, (down) => {
        flip(random, control(down));
        flip(random, down.subarray(-CELL));
      }),
    seconds: 20,
    withinS: 10,
  },
];

function run(seed: string, deeds: readonly Tampering[]) {
  const check = new Checker();
  const facts: Record<string, number> = {};
  for (const deed of deeds) {
    for (const calling of [true, false]) {
      const what = `${deed.what}, ${calling ? 'calling' : 'idle'}`;
      const { expelledAfterS, gapMs } = betray(seed, check, deed, calling);
      check.expect(expelledAfterS <= deed.withinS, `${what}: the superpeer is expelled after ${expelledAfterS} s`);
      facts[`${what}: expelled after s`] = expelledAfterS;
      if (!calling) continue;
      check.expect(gapMs <= GAP_MS_MAX, `${what}: ${gapMs} ms of the call are missing in a row`);
      facts[`${what}: gap ms`] = gapMs;
    }
  }
  return { violations: check.violations, facts };
}

const PROPERTY =
  'Whatever bits a superpeer flips, in what it says of a round, in what clients send or in what comes down to them, in a ' +
  'call or without one: no frame is heard that was not spoken, and a call loses no more than a short gap. ';

export const tampering: Scenario = {
  name: 'tampering',
  property: `${PROPERTY}One that flips bits in X or in the manifest is expelled within four seconds, and nobody else is blamed.`,
  set: 'short',
  minutes: 0.2,
  run: (seed) => run(seed, IN_ROUNDS),
};

export const tamperingAll: Scenario = {
  name: 'tampering-all',
  property:
    `${PROPERTY}One that alters signals, clients' packets or all that goes down is expelled within ten seconds, one that ` +
    'alters seven in ten of the frames that go down within thirty.',
  set: 'long',
  minutes: 1,
  run: (seed) => run(seed, ELSEWHERE),
};
