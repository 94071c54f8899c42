import { type Endpoint, MILLISECOND_US, SECOND_US } from '../../../nodes/core/units.ts';
import { Pair } from '../pair.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { setUp } from '../talk.ts';

const RESUME_MS_MAX = 3000;
/** IPv6's least, which every path carries, without its header and that of UDP. */
const PAYLOAD_MAX = 1280 - 48;
const ANOTHER_PORT = 1;
const ANOTHER_ADDRESS = 100 * 65536;
const LONG_SLEEP_US = 30 * SECOND_US;

export const roaming: Scenario = {
  name: 'roaming',
  property:
    'A client whose NAT gives it another port, that gets another address or sleeps for two seconds has its call back ' +
    'within 3 s; one that slept for 30 s is attached within 3 s and can call again. No datagram is longer than 1232 bytes.',
  set: 'short',
  minutes: 0.1,
  run: (seed, minutes) => {
    const check = new Checker();
    const facts: Record<string, number> = {};
    const pair = new Pair(seed, check);
    const { network, caller, callee } = pair;
    const { world } = network;
    let longest = 0;
    world.observe = ({ length }) => {
      longest = Math.max(longest, length);
    };
    pair.begin(true);
    const befall = (what: string, act: () => void, lastsUs = 0) => {
      act();
      const since = world.now + lastsUs;
      network.run(minutes * 60 + lastsUs / SECOND_US);
      facts[`${what}Ms`] = pair.resumedAfterMs(since);
      check.expect(
        facts[`${what}Ms`]! <= RESUME_MS_MAX && pair.talking,
        `${what}: the call is back after ${facts[`${what}Ms`]} ms`,
      );
    };
    const move = (by: number) => world.rebind(caller.host, (caller.host.endpoint + by) as Endpoint);
    befall('port', () => move(ANOTHER_PORT));
    befall('address', () => move(ANOTHER_ADDRESS));
    befall('nap', () => world.sleep(callee.host, 2 * SECOND_US), 2 * SECOND_US);
    world.sleep(callee.host, LONG_SLEEP_US);
    network.run(LONG_SLEEP_US / SECOND_US);
    const woken = world.now;
    let detached = false;
    const back = network.run(10, () => {
      detached ||= !callee.machine.attached;
      return detached && callee.machine.attached;
    });
    facts.attachedMs = (world.now - woken) / MILLISECOND_US;
    check.expect(back && facts.attachedMs <= RESUME_MS_MAX, `attached ${facts.attachedMs} ms after the sleep`);
    check.expect(caller.machine.callState === 'idle', 'a call outlived 30 s of silence');
    callee.machine.hangUp();
    network.run(1);
    facts.setUpMs = setUp(network, callee, caller, check) ?? Number.NaN;
    pair.end('sleep');
    check.expect(longest <= PAYLOAD_MAX, `a datagram of ${longest} bytes`);
    return { violations: check.violations, facts: { ...facts, longest } };
  },
};
