import type { MessagePort } from 'node:worker_threads';
import { nowUs } from '../host/clock.ts';
import { servePlane } from '../host/plane.ts';
import { Detour } from '../host/tunnel.ts';
import { openDatagrams } from '../host/udp.ts';
import { GEOMETRY } from '../wire/constants.ts';
import { Client } from './client.ts';
import { Session, type SessionCommand } from './session.ts';

let session: Session | undefined;
let detour: Detour | undefined;

function sessionOf(client: Client, port: MessagePort): Session {
  session ??= new Session(client, GEOMETRY.A.voice, (event) => port.postMessage(event));
  return session;
}

await servePlane<Client>({
  create: (options) => {
    if (options.view.own.params.profile !== 'A') throw new Error('recordings are G.711: the zone must have profile A');
    return new Client(options);
  },
  update: (client, now, view) => client.update(now, view),
  rate: (client) => client.rate(),
  gauges: (client, stats) => {
    stats.set('links_up', client.attached ? 1 : 0);
    stats.set('links_expected', 1);
    stats.set('places_taken', client.attached ? 1 : 0);
  },
  open: async (port, drops) => {
    detour = new Detour(await openDatagrams(port, drops));
    return detour;
  },
  command: (client, message, port) => {
    const command = message as SessionCommand | { kind: 'route'; routes: Parameters<Detour['set']>[0] };
    if (command.kind === 'route') detour!.set(command.routes);
    else sessionOf(client, port).command(nowUs(), command);
  },
  afterTick: (client, port) => sessionOf(client, port).tick(nowUs()),
});
