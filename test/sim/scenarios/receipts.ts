import { signDescriptor } from '../../../nodes/config/descriptor.ts';
import type { DirectoryZone, RosterEntry } from '../../../nodes/config/node.ts';
import { claimedReceipt, type Receipt } from '../../../nodes/config/receipt.ts';
import { MILLISECOND_US } from '../../../nodes/core/units.ts';
import { Identity } from '../../../nodes/crypto/keys.ts';
import { Directory } from '../../../nodes/directory/directory.ts';
import { MESSAGE_KIND } from '../../../nodes/wire/constants.ts';
import { signerOf } from '../../unit/nodes/support/certified.ts';
import { publishing } from '../../unit/nodes/support/keys.ts';
import { Liar } from '../liar.ts';
import { NEAR } from '../path.ts';
import { Checker, type Scenario } from '../scenario.ts';
import { attachAll } from '../talk.ts';
import { Network } from '../zones.ts';

const PERIOD_SECONDS = 60;
const PERIOD_MS = PERIOD_SECONDS * 1000;
const LOSS = 0.01;
const DROPPED = 0.3;
/** Five standard deviations of what chance makes of 3000 rounds, and a moment until the link is up. */
const TOLERANCE = 0.04;
const [HONEST, DROPPING, TAMPERING] = [1, 2, 3].map((number) => `eu-superpeer-${number}`) as [string, string, string];

export const receipts: Scenario = {
  name: 'receipts',
  property:
    'What an honest superpeer has carried is in its receipt but for what the path loses; one that drops three rounds in ten ' +
    'has as much less; and one that is expelled has a receipt that says so.',
  set: 'short',
  minutes: 2.2,
  run: (seed, minutes) => {
    const check = new Checker();
    const params = { clientsPerChannel: 4, receiptSeconds: PERIOD_SECONDS };
    const plan = { name: 'eu', superpeers: 3, channelsPerSuperpeer: 2, params };
    const network = new Network(seed, [plan], (from, to) => ({
      ...NEAR,
      loss: from.kind === 'superpeer' && to.kind === 'mix' ? LOSS : 0,
    }));
    const mix = network.mix('eu');
    const directory = directoryOf(network, mix.id);
    network.addClients('eu', 6);
    attachAll(network, check);

    const random = network.world.randomFor('lies');
    const turns = (number: number, says: (message: Buffer) => boolean) => {
      const { host, machine } = network.superpeer('eu', number);
      host.machine = new Liar(machine, {
        says: (message) => message[0] !== MESSAGE_KIND.round || says(message),
      });
    };
    turns(2, () => random.next() >= DROPPED);
    const nowMs = () => Math.floor(mix.host.now / MILLISECOND_US);
    const report = () => {
      const about = { zone: 'eu', id: mix.id, endpoint: '10.1.1.1:7000', ...publishing(1), boot: 1 };
      const signed = signDescriptor(mix.identity, { ...about, issuedAt: nowMs(), rounds: [...mix.machine.rounds()] });
      check.expect(directory.register(nowMs(), 'eu', signed) === 'accepted', 'the directory does not take the report');
    };

    // The next period is a whole one: the third turns on its clients in the middle of it.
    const from = (Math.floor(nowMs() / PERIOD_MS) + 1) * PERIOD_MS;
    const until = (instantMs: number) => {
      while (nowMs() < instantMs) {
        network.run(Math.min(10, (instantMs - nowMs()) / 1000 + 0.02));
        report();
      }
    };
    until(from + PERIOD_MS / 2);
    turns(3, (message) => {
      message[message.length - 1]! ^= 1;
      return true;
    });
    const isExpelled = () => mix.machine.audits().guilty > 0;
    check.expect(network.run(20, isExpelled), `${TAMPERING} is not expelled`);
    network.retire(TAMPERING);
    until(Math.max(from + PERIOD_MS + 61_000, from + minutes * 60_000));

    const all = directory.receipts(nowMs(), 'eu')!.map((signed) => claimedReceipt(signed)!);
    const of = (superpeer: string): Receipt => {
      const found = all.find((receipt) => receipt.superpeer === superpeer && receipt.from === from);
      check.expect(found !== undefined, `no receipt for ${superpeer}`);
      return found ?? { ...all[0]!, expected: 1, valid: 0 };
    };
    const share = (superpeer: string) => of(superpeer).valid / of(superpeer).expected;
    const near = (superpeer: string, wanted: number) =>
      check.expect(
        Math.abs(share(superpeer) - wanted) < TOLERANCE,
        `${superpeer} has ${share(superpeer)} of its rounds, not about ${wanted}`,
      );
    near(HONEST, 1 - LOSS);
    near(DROPPING, (1 - DROPPED) * (1 - LOSS));
    const whole = 2 * PERIOD_SECONDS * 50;
    check.expect(Math.abs(of(HONEST).expected - whole) <= 4, `${of(HONEST).expected} rounds expected, not ${whole}`);
    check.expect(of(HONEST).bad === 0 && !of(HONEST).expelled, 'the honest one has bad rounds or is expelled');
    check.expect(of(TAMPERING).expelled && of(TAMPERING).bad > 0, 'the receipt of the expelled one does not say so');
    check.expect(of(TAMPERING).expected < whole, 'rounds of the expelled one were expected until the end');
    return { violations: check.violations, facts: { honest: share(HONEST), dropping: share(DROPPING) } };
  },
};

/** The directory of the network's one zone, which lists its mix and superpeers. */
function directoryOf(network: Network, mixId: string): Directory {
  const root = new Identity(Buffer.alloc(32, 1));
  const roster = [...network.nodes.values()].flatMap(({ id, identity, described }): RosterEntry[] => {
    const identityKey = identity.publicKey.toString('base64');
    if (id === mixId) return [{ id, role: 'mix', identityKey }];
    return described.role === 'superpeer' ? [{ id, role: 'superpeer', identityKey, channels: 2 }] : [];
  });
  const { params } = network.viewOf('eu').own;
  const zone: DirectoryZone = { zone: 'eu', provider: 'north', jurisdiction: 'EU', params, roster, peers: [] };
  const listen = { port: 1 };
  const config = { role: 'directory', id: 'd', listen, metrics: listen, epochSeconds: 900 } as const;
  return new Directory({ ...config, zones: [zone] }, new Map([['eu', signerOf('eu', root)]]));
}
