import { signedDescriptor } from '../config/descriptor.ts';
import { type DirectoryConfig, directoryConfig } from '../config/node.ts';
import { Identity, wipe } from '../crypto/keys.ts';
import { main, readConfig, readSeed, serveProbes, untilSignalled } from '../host/daemon.ts';
import { repeat } from '../host/directory-client.ts';
import { readJson, reply, serveHttp } from '../host/http.ts';
import { log } from '../host/log.ts';
import { expelledGauge } from '../host/metrics.ts';
import { Directory, type Registration } from './directory.ts';

/** The directory's shell: HTTP in front of the pure Directory, and the peers' documents fetched every few seconds. */
const PEER_INTERVAL_MS = 5_000;
const PEER_TIMEOUT_MS = 4_000;
const PEER_RETRY_MS = 1_000;
/** A descriptor with its quotes escaped. */
const BODY_BYTES_MAX = 32_768;

const STATUS: Record<Registration, number> = {
  accepted: 200,
  'unknown-zone': 404,
  malformed: 400,
  'not-in-roster': 403,
  'bad-signature': 403,
  stale: 409,
  'old-key': 409,
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
  const startedMs = Date.now();
  const gathering = (zone: string) => directory.gathering(Date.now() - startedMs, Date.now(), zone);
  const signal = untilSignalled();
  await serveHttp(config.listen.port, '0.0.0.0', [
    {
      method: 'GET',
      path: '/v1/zones/:zone/view',
      handler: (_request, response, [zone]) => {
        const missing = gathering(zone!);
        if (missing) return reply(response, 503, { error: `still gathering ${missing}` });
        const view = directory.view(Date.now(), zone!);
        reply(response, view ? 200 : 404, view ?? { error: 'zone not served here' });
      },
    },
    {
      method: 'GET',
      path: '/v1/zones/:zone/consensus',
      handler: (_request, response, [zone]) => {
        if (gathering(zone!) === 'nodes') return reply(response, 503, { error: 'still gathering nodes' });
        const signed = directory.consensus(Date.now(), zone!);
        const body = signed && { consensus: signed.text, signature: signed.signature };
        reply(response, body ? 200 : 404, body ?? { error: 'zone not served here' });
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
    {
      method: 'POST',
      path: '/v1/zones/:zone/verdicts',
      handler: async (request, response, [zone]) => {
        const signed = signedDescriptor.safeParse(await readJson(request, BODY_BYTES_MAX));
        const result = signed.success ? directory.judge(Date.now(), zone!, signed.data) : 'malformed';
        if (result === 'accepted') log('warn', 'a mix has expelled a superpeer', { zone, verdict: signed.data!.text });
        reply(response, STATUS[result], { result });
      },
    },
  ]);
  const labels = { role: 'directory', zone: config.zones[0]!.zone };
  const registry = await serveProbes(config.metrics.port, labels, undefined, () => true);
  expelledGauge(registry, () => directory.expelled());
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
        PEER_RETRY_MS,
        async () => {
          const answer = await fetch(`${peer.url}/v1/zones/${peer.zone}/consensus`, {
            signal: AbortSignal.timeout(PEER_TIMEOUT_MS),
          });
          const own = (await answer.json()) as { consensus?: unknown; signature?: unknown };
          if (!answer.ok) throw new Error(`its directory answered ${answer.status}`);
          const signed = { text: String(own.consensus), signature: String(own.signature) };
          const refused = directory.learnPeer(Date.now(), zone, peer.zone, signed);
          if (refused) failed(refused.refused);
          return PEER_INTERVAL_MS;
        },
      );
    }
  }
  log('info', 'running', { role: 'directory', zones: config.zones.length });
});
