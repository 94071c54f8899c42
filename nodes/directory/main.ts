import { randomFillSync } from 'node:crypto';
import { envelope } from '../config/consensus.ts';
import { signedDescriptor } from '../config/descriptor.ts';
import { type DirectoryConfig, directoryConfig } from '../config/node.ts';
import { DropCounters } from '../core/drop.ts';
import { PacketRing } from '../core/ring.ts';
import { nowUs } from '../host/clock.ts';
import { main, readConfig, readConfigFile, serveProbes, untilSignalled } from '../host/daemon.ts';
import { repeat } from '../host/directory-client.ts';
import { type Route, readJson, reply, serveHttp } from '../host/http.ts';
import { log } from '../host/log.ts';
import { directoryMetrics, type ServedZoneNumbers } from '../host/metrics.ts';
import { openUdp } from '../host/udp.ts';
import { DATAGRAM_BYTES_MAX } from '../wire/constants.ts';
import { Directory, type Registration } from './directory.ts';
import { Peers } from './peers.ts';
import { Probes } from './probes.ts';
import { Signers } from './signers.ts';

/** The directory's shell: HTTP in front of the pure Directory, which follows its configuration file as that changes. */
const RELOAD_INTERVAL_MS = 1_000;
const PROBE_INTERVAL_MS = 500;
const PROBE_SLOTS = 256;
/** A descriptor with its quotes escaped. */
const BODY_BYTES_MAX = 196_608;

const STATUS: Record<Registration, number> = {
  accepted: 200,
  'unknown-zone': 404,
  malformed: 400,
  'not-in-roster': 403,
  'bad-signature': 403,
  stale: 409,
  'old-key': 409,
};

/** What only another process follows: ports that are open, and epochs, whose numbers would go back. */
function fixedPart({ id, listen, metrics, epochSeconds }: DirectoryConfig): string {
  return JSON.stringify({ id, listen, metrics, epochSeconds });
}

/**
 * Takes what the file says as soon as it says something else. What cannot be taken is told once, and tried again: a new
 * zone's key may come later than the news of the zone, since they are volumes of their own.
 */
function followConfig(signal: AbortSignal, first: string, directory: Directory, signers: Signers, peers: Peers): void {
  const fixed = fixedPart(readConfig<DirectoryConfig>(directoryConfig, first));
  let taken = first;
  let told = '';
  const failed = ({ message }: Error) => {
    if (message !== told) log('error', 'the new configuration is not taken', { reason: message });
    told = message;
  };
  void repeat(signal, failed, RELOAD_INTERVAL_MS, async () => {
    const text = readConfigFile();
    if (text === taken) {
      told = '';
      return RELOAD_INTERVAL_MS;
    }
    const config = readConfig<DirectoryConfig>(directoryConfig, text);
    directory.configure(Date.now(), config.zones, signers.follow(config.zones));
    peers.follow(config.zones);
    taken = text;
    log('info', 'another configuration is in force', { zones: config.zones.length });
    if (fixedPart(config) !== fixed) log('warn', 'id, ports and epochSeconds change when the process starts anew');
    return RELOAD_INTERVAL_MS;
  });
}

/** Looks for other signing keys, since Kubernetes does not say when it has changed the files. */
function followKeys(signal: AbortSignal, signers: Signers): void {
  void repeat(
    signal,
    () => {},
    RELOAD_INTERVAL_MS,
    async () => {
      signers.renew(Date.now());
      return RELOAD_INTERVAL_MS;
    },
  );
}

function numbersOf(nowMs: number, directory: Directory, signers: Signers): ServedZoneNumbers[] {
  const signing = new Map(signers.numbers(nowMs));
  return directory.zones().map(({ zone, peers }) => {
    const { registered, roster } = directory.registered(nowMs, zone);
    return { zone, signingKey: signing.get(zone)!, roster, registered, peers: peers.length };
  });
}

/** Looks whether nodes are where they say, from a port of its own. A directory without a way out looks in vain, and says so. */
async function followProbes(signal: AbortSignal, directory: Directory): Promise<void> {
  const drops = new DropCounters();
  const entropy = (into: Uint8Array) => void randomFillSync(into);
  const probes = new Probes(entropy, drops);
  const [inbox, outbox] = [0, 0].map(() => new PacketRing(PROBE_SLOTS, DATAGRAM_BYTES_MAX)) as [PacketRing, PacketRing];
  const io = await openUdp(0, drops);
  const failed = (error: Error) => log('warn', 'nodes are not looked for', { reason: error.message });
  void repeat(signal, failed, PROBE_INTERVAL_MS, async () => {
    await io.drain(inbox);
    const nowMs = Date.now();
    const results = probes.tick(nowUs(), directory.epochAt(nowMs), directory.targets(nowMs), inbox, outbox);
    inbox.clear();
    await io.flush(outbox);
    outbox.clear();
    for (const { target, answered } of results) directory.probed(target, answered);
    return PROBE_INTERVAL_MS;
  });
}

await main(async () => {
  const text = readConfigFile();
  const config = readConfig<DirectoryConfig>(directoryConfig, text);
  const signers = new Signers(config.epochSeconds);
  const directory = new Directory(config, signers.follow(config.zones));
  const signal = untilSignalled();
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
      method: 'GET',
      path: '/v1/zones/:zone/nodes',
      handler: (_request, response, [zone]) => {
        if (gathering(zone!) === 'nodes') return reply(response, 503, { error: 'still gathering nodes' });
        const signed = directory.nodes(Date.now(), zone!);
        reply(response, signed ? 200 : 404, signed ?? { error: 'zone not served here' });
      },
    },
    ...['/v1/zones/:zone/receipts', '/v1/zones/:zone/receipts/:superpeer'].map(
      (path): Route => ({
        method: 'GET',
        path,
        handler: (_request, response, [zone, superpeer]) => {
          const receipts = directory.receipts(Date.now(), zone!, superpeer);
          reply(response, receipts ? 200 : 404, receipts ? { receipts } : { error: 'zone not served here' });
        },
      }),
    ),
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
  directoryMetrics(
    registry,
    {
      expelled: () => directory.expelled(),
      unanswered: () => directory.unanswered(Date.now()),
    },
    () => numbersOf(Date.now(), directory, signers),
  );
  const peers = new Peers(directory);
  peers.follow(config.zones);
  followConfig(signal, text, directory, signers, peers);
  followKeys(signal, signers);
  await followProbes(signal, directory);
  log('info', 'running', { role: 'directory', zones: config.zones.length });
});
