import { readFile, writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { printContact } from '../config/contact.ts';
import { type ClientConfig, clientConfig } from '../config/node.ts';
import { Identity, wipe } from '../crypto/keys.ts';
import {
  firstView,
  followConsensus,
  main,
  readConfig,
  readSeed,
  serveProbes,
  startPlane,
  untilSignalled,
} from '../host/daemon.ts';
import { readJson, reply, serveHttp } from '../host/http.ts';
import { log } from '../host/log.ts';
import { Stats } from '../host/stats.ts';
import { Fallback } from './fallback.ts';
import { decodeMulaw, encodeMulaw } from './g711.ts';
import { probe, probeMetrics } from './probe.ts';
import type { SessionCommand, SessionEvent } from './session.ts';
import { readWav, writeWav } from './wav.ts';

/** A client's handshakes show no key, or its identity. */
const NO_KEYS = { link: [], circuit: [] };

/** The client's shell: the plane in its thread, and a control interface on loopback only. */
const BODY_BYTES_MAX = 4096;
const callRequest = z.object({
  contact: z.string().max(256),
  seconds: z.int().min(1).max(3600),
  record: z.string().min(1).max(4096),
});
const voicemailRequest = z.object({ path: z.string().min(1).max(4096) });

type CallResult = Extract<SessionEvent, { kind: 'recorded' | 'failed' }>;

await main(async () => {
  const config = readConfig<ClientConfig>(clientConfig);
  const seed = readSeed('identity');
  const contact = printContact(config.zone, new Identity(seed).publicKey);
  const signal = untilSignalled();
  const stats = new Stats();
  let state: Extract<SessionEvent, { kind: 'state' }> = { kind: 'state', attached: false, call: 'idle' };
  const registry = await serveProbes(
    config.metrics.port,
    config,
    { stats, port: config.listen.port },
    () => state.attached,
  );
  const first = await firstView(config, ({ own }) => own.channels.length > 0 || own.params.directClients > 0);
  const worker = startPlane(new URL('./plane.ts', import.meta.url), config, { seed, keys: NO_KEYS }, first, stats);
  wipe(seed);
  const newest = followConsensus(config, first, worker, signal);
  const fallback = new Fallback(
    {
      planePort: config.listen.port,
      view: () => newest().view,
      attached: () => state.attached,
      route: (routes) => worker.postMessage({ kind: 'route', routes }),
      changed: (transport) => log('warn', 'the way to the superpeers has changed', { transport }),
    },
    signal,
  );
  let waiting: ((result: CallResult) => void) | undefined;
  worker.on('message', (event: SessionEvent) => {
    if (event.kind === 'state') state = event;
    else {
      waiting?.(event);
      waiting = undefined;
    }
  });
  const command = (message: SessionCommand) => worker.postMessage(message);
  /** Undefined while another call is in progress. */
  const call = (contact: string, seconds: number): Promise<CallResult> | undefined => {
    if (waiting) return undefined;
    return new Promise((resolve) => {
      waiting = resolve;
      command({ kind: 'call', contact, seconds });
    });
  };
  if (config.probe) void probe(config.probe, () => state.attached, call, probeMetrics(registry), signal);
  await serveHttp(config.control.port, '127.0.0.1', [
    {
      method: 'GET',
      path: '/status',
      handler: (_request, response) =>
        reply(response, 200, { attached: state.attached, transport: fallback.transport, contact, call: state.call }),
    },
    {
      method: 'POST',
      path: '/voicemail',
      handler: async (request, response) => {
        const parsed = voicemailRequest.safeParse(await readJson(request, BODY_BYTES_MAX));
        if (!parsed.success) return reply(response, 400, { error: z.prettifyError(parsed.error) });
        try {
          command({ kind: 'voicemail', voice: encodeMulaw(readWav(await readFile(parsed.data.path))) });
          reply(response, 200, {});
        } catch (error) {
          reply(response, 400, { error: `${parsed.data.path}: ${(error as Error).message}` });
        }
      },
    },
    {
      method: 'POST',
      path: '/call',
      handler: async (request, response) => {
        const parsed = callRequest.safeParse(await readJson(request, BODY_BYTES_MAX));
        if (!parsed.success) return reply(response, 400, { error: z.prettifyError(parsed.error) });
        const result = await call(parsed.data.contact, parsed.data.seconds);
        if (!result) return reply(response, 409, { error: 'a call is in progress' });
        if (result.kind === 'failed') return reply(response, 502, { error: result.reason });
        await writeFile(parsed.data.record, writeWav(decodeMulaw(result.voice)));
        reply(response, 200, { setupMs: result.setupMs, ...result.report });
      },
    },
  ]);
  log('info', 'running', { role: 'client', zone: config.zone });
});
