import type { MessagePort } from 'node:worker_threads';
import { nowUs } from '../host/clock.ts';
import { servePlane } from '../host/plane.ts';
import { GEOMETRY } from '../wire/constants.ts';
import { Client } from './client.ts';
import { Session, type SessionCommand } from './session.ts';

let session: Session | undefined;

function sessionOf(client: Client, port: MessagePort): Session {
  session ??= new Session(client, GEOMETRY.A.voice, (event) => port.postMessage(event));
  return session;
}

await servePlane<Client>({
  create: (options) => {
    if (options.view.own.params.profile !== 'A') throw new Error('recordings are G.711: the zone must have profile A');
    return new Client(options);
  },
  update: (client, _now, view) => client.update(view),
  gauges: (client, stats) => {
    stats.set('links_up', client.attached ? 1 : 0);
    stats.set('links_expected', 1);
    stats.set('places_taken', client.attached ? 1 : 0);
  },
  command: (client, message, port) => sessionOf(client, port).command(nowUs(), message as SessionCommand),
  afterTick: (client, port) => sessionOf(client, port).tick(nowUs()),
});
