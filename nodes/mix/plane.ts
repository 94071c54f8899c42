import { servePlane } from '../host/plane.ts';
import { Mix } from './mix.ts';

/** Twice as often as the descriptor is renewed that takes them along. */
const ROUNDS_TICKS = 250;
let ticks = 0;

await servePlane<Mix>({
  create: (options) => new Mix(options),
  update: (mix, now, view) => mix.update(now, view),
  rekey: (mix, keys) => mix.rekey(keys),
  rate: (mix) => mix.rate(),
  gauges: (mix, stats) => {
    const mesh = mix.meshLinks();
    const channels = mix.channelsUp();
    stats.set('links_up', mesh.up + channels.up);
    stats.set('links_expected', mesh.all + channels.all);
    stats.set('places_taken', mix.clients());
    const { started, guilty, jams, doubtful } = mix.audits();
    stats.set('audits_started', started);
    stats.set('audits_guilty', guilty);
    stats.set('audits_jams', jams);
    stats.set('audits_doubtful', doubtful);
  },
  afterTick: (mix, port) => {
    ticks += 1;
    if (ticks % ROUNDS_TICKS === 0) port.postMessage({ rounds: mix.rounds() });
    const demand = mix.takeDemand();
    if (demand) port.postMessage({ demand });
    for (let event = mix.poll(); event; event = mix.poll()) {
      port.postMessage({ expelled: { superpeer: event.superpeer, reason: event.reason } });
    }
  },
});
