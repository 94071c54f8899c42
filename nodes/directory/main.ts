import { signedDescriptor } from '../config/descriptor.ts';
import { type DirectoryConfig, directoryConfig } from '../config/node.ts';
import { Identity, wipe } from '../crypto/keys.ts';
import { main, readConfig, readSeed, serveProbes, untilSignalled } from '../host/daemon.ts';
import { repeat } from '../host/directory-client.ts';
import { readJson, reply, serveHttp } from '../host/http.ts';
import { log } from '../host/log.ts';
import { Directory, type Registration } from './directory.ts';

/** The directory's shell: HTTP in front of the pure Directory, and the peers' documents fetched every few seconds. */
const PEER_INTERVAL_MS = 5_000;
const PEER_TIMEOUT_MS = 4_000;
const BODY_BYTES_MAX = 4096;

const STATUS: Record<Registration, number> = {
  accepted: 200,
  'unknown-zone': 404,
  malformed: 400,
  'not-in-roster': 403,
  'bad-signature': 403,
  stale: 409,
};

await main(async () => {
  const config = readConfig<DirectoryConfig>(directoryConfig);
  const identities = new Map(
    config.zones.map(({ zone }) => {
      const seed = readSeed(zone);
      const identity = new Identity(seed);
      wipe(seed);
      return [zone, identity] as const;
    }),
  );
  const directory = new Directory(config, identities);
  const signal = untilSignalled();
  await serveHttp(config.listen.port, '0.0.0.0', [
    {
      method: 'GET',
      path: '/v1/zones/:zone/view',
      handler: (_request, response, [zone]) => {
        const view = directory.view(Date.now(), zone!);
        reply(response, view ? 200 : 404, view ?? { error: 'zone not served here' });
      },
    },
    {
      method: 'POST',
      path: '/v1/zones/:zone/nodes',
      handler: async (request, response, [zone]) => {
        const signed = signedDescriptor.safeParse(await readJson(request, BODY_BYTES_MAX));
        const result = signed.success ? directory.register(Date.now(), zone!, signed.data) : 'malformed';
        reply(response, STATUS[result], { result });
      },
    },
  ]);
  await serveProbes(config.metrics.port, { role: 'directory', zone: config.zones[0]!.zone }, undefined, () => true);
  for (const { zone, peers } of directory.zones()) {
    for (const peer of peers) {
      let told = '';
      const failed = (reason: string) => {
        if (reason !== told) log('warn', 'peer zone not learnt', { zone, peer: peer.zone, reason });
        told = reason;
      };
      void repeat(
        signal,
        (error) => failed(error.message),
        1_000,
        async () => {
          const answer = await fetch(`${peer.url}/v1/zones/${peer.zone}/view`, {
            signal: AbortSignal.timeout(PEER_TIMEOUT_MS),
          });
          const { own } = (await answer.json()) as { own?: { consensus?: unknown; signature?: unknown } };
          const signed = { text: String(own?.consensus), signature: String(own?.signature) };
          const refused = directory.learnPeer(Date.now(), zone, peer.zone, signed);
          if (refused) failed(refused.refused);
          return PEER_INTERVAL_MS;
        },
      );
    }
  }
  log('info', 'running', { role: 'directory', zones: config.zones.length });
});
