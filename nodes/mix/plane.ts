import { servePlane } from '../host/plane.ts';
import { Mix } from './mix.ts';

await servePlane<Mix>({
  create: (options) => new Mix(options),
  update: (mix, now, view) => mix.update(now, view),
  gauges: (mix, stats) => {
    const mesh = mix.meshLinks();
    const channels = mix.channelsUp();
    stats.set('links_up', mesh.up + channels.up);
    stats.set('links_expected', mesh.all + channels.all);
    stats.set('places_taken', mix.clients());
  },
});
