import { MILLISECOND_US } from '../../nodes/core/units.ts';
import { Load, type LoadCall, type LoadPlan } from '../load.ts';
import type { PathQuality } from './path.ts';
import { SeededRandom } from './random.ts';
import { Network, type SimClient, type ZonePlan } from './zones.ts';

/** One machine: what the daemons of a test have between them. */
const LOOPBACK: PathQuality = { delayUs: 0.05 * MILLISECOND_US, jitterUs: 0, loss: 0 };
const RUN_SECONDS_MAX = 3600;

/** Every call of a load on one zone of the simulator; throws when it does not end. */
export function simulateLoad(seed: string, zone: ZonePlan, clients: number, plan: LoadPlan): LoadCall[] {
  const network = new Network(seed, [zone], () => LOOPBACK);
  network.addClients(zone.name, clients);
  const calls: LoadCall[] = [];
  const random = new SeededRandom(`${seed} / load`);
  const load = new Load<SimClient>(network.world.now, plan, network.clients, random, (call) => calls.push(call));
  const isOver = network.run(RUN_SECONDS_MAX, () => {
    for (const client of network.clients) load.after(client.host.now, client);
    return load.tick(network.world.now);
  });
  if (!isOver) throw new Error(`the load of seed ${seed} did not end within an hour`);
  return calls;
}
