import { servePlane } from '../host/plane.ts';
import { Rendezvous } from './rendezvous.ts';

await servePlane<Rendezvous>({
  create: (options) => new Rendezvous(options),
  update: (rendezvous, now, view) => rendezvous.update(now, view),
  rekey: (rendezvous, keys) => rendezvous.rekey(keys),
  rate: (rendezvous) => rendezvous.rate(),
  gauges: (rendezvous, stats) => {
    const mesh = rendezvous.meshLinks();
    stats.set('links_up', mesh.up);
    stats.set('links_expected', mesh.all);
    stats.set('places_taken', rendezvous.circuits());
  },
  afterTick: (rendezvous, port) => {
    const demand = rendezvous.takeDemand();
    if (demand) port.postMessage({ demand });
  },
});
