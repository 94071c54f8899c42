import { servePlane } from '../host/plane.ts';
import { Superpeer } from './superpeer.ts';

await servePlane<Superpeer>({
  create: (options) => new Superpeer(options),
  update: (superpeer, now, view) => superpeer.update(now, view),
  rekey: (superpeer, keys) => superpeer.rekey(keys),
  rate: (superpeer) => superpeer.rate(),
  gauges: (superpeer, stats) => {
    const mixes = superpeer.mixesUp();
    stats.set('links_up', mixes.up);
    stats.set('links_expected', mixes.all);
    stats.set('places_taken', superpeer.clients());
  },
});
