import { randomBytes } from 'node:crypto';
import { envelope, opened } from '../config/consensus.ts';
import { signedDescriptor } from '../config/descriptor.ts';
import { type DirectoryConfig, directoryConfig } from '../config/node.ts';
import { Identity, type NumberedSeed, wipe } from '../crypto/keys.ts';
import { keyFolder, main, readConfig, readSeed, serveProbes, untilSignalled } from '../host/daemon.ts';
import { repeat } from '../host/directory-client.ts';
import { readJson, reply, serveHttp } from '../host/http.ts';
import { log } from '../host/log.ts';
import { expelledGauge, signingKeysGauge } from '../host/metrics.ts';
import { CLOCK_SKEW_MS, CONSENSUS_LIFETIME_MS, Directory, type Registration } from './directory.ts';
import { Signer, type SigningKey } from './signer.ts';

/** The directory's shell: HTTP in front of the pure Directory, and the peers' documents fetched every few seconds. */
const PEER_INTERVAL_MS = 5_000;
const PEER_TIMEOUT_MS = 4_000;
const PEER_RETRY_MS = 1_000;
const KEYS_INTERVAL_MS = 1_000;
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

/** The seed is wiped. */
function identityOf(seed: Uint8Array): Identity {
  try {
    return new Identity(seed);
  } finally {
    wipe(seed);
  }
}

const signingKeys = (seeds: readonly NumberedSeed[]): SigningKey[] =>
  seeds.map(({ number, seed }) => ({ number, identity: identityOf(seed) }));

/**
 * Whoever signs for a zone: its root key certifies the keys in the files ZONE-signing-N, which are looked for every
 * second; without any, a key that nobody else has and that ends with the process.
 */
function signerOf(zone: string, epochSeconds: number, signal: AbortSignal): Signer {
  const folder = keyFolder([`${zone}-signing`]);
  const read = () => Object.values(folder.read() ?? {}).map(signingKeys)[0];
  const root = identityOf(readSeed(zone));
  const ephemeral = { number: 0, identity: identityOf(randomBytes(32)) };
  const times = { epochMs: epochSeconds * 1000, lifetimeMs: CONSENSUS_LIFETIME_MS, clockSkewMs: CLOCK_SKEW_MS };
  const signer = new Signer({ zone, root, ...times }, read() ?? [ephemeral]);
  let told = '';
  const failed = (reason: string) => {
    if (reason !== told) log('warn', 'signing keys not taken, the ones before stay', { zone, reason });
    told = reason;
  };
  void repeat(
    signal,
    (error) => failed(error.message),
    KEYS_INTERVAL_MS,
    async () => {
      const keys = read();
      if (keys && !signer.follow(Date.now(), keys)) failed('their numbers go back');
      else if (keys) told = '';
      return KEYS_INTERVAL_MS;
    },
  );
  return signer;
}

await main(async () => {
  const config = readConfig<DirectoryConfig>(directoryConfig);
  const signal = untilSignalled();
  const signers = new Map(config.zones.map(({ zone }) => [zone, signerOf(zone, config.epochSeconds, signal)]));
  const directory = new Directory(config, signers);
  const startedMs = Date.now();
  const gathering = (zone: string) => directory.gathering(Date.now() - startedMs, Date.now(), zone);
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
        reply(response, signed ? 200 : 404, signed ? envelope(signed) : { error: 'zone not served here' });
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
  signingKeysGauge(registry, () => [...signers].map(([zone, signer]) => [zone, signer.keyNumber(Date.now())]));
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
          const signed = opened(await answer.json());
          if (!answer.ok) throw new Error(`its directory answered ${answer.status}`);
          if (!signed) throw new Error('its directory answered with something else');
          const refused = directory.learnPeer(Date.now(), zone, peer.zone, signed);
          if (refused) failed(refused.refused);
          return PEER_INTERVAL_MS;
        },
      );
    }
  }
  log('info', 'running', { role: 'directory', zones: config.zones.length });
});
