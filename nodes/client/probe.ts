import { setTimeout as sleep } from 'node:timers/promises';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { parseContact } from '../config/contact.ts';
import type { ProbeConfig } from '../config/node.ts';
import { repeat } from '../host/directory-client.ts';
import { log } from '../host/log.ts';
import { meanOpinionScore, PACKETIZATION_MS, rFactor } from './emodel.ts';
import type { SessionEvent } from './session.ts';

/**
 * A caller of which metrics may tell everything, since it is nobody: what users hear, measured from one zone to another.
 *
 * It calls at its own pace, whatever came of the call before. Who answers is any client (it takes every call).
 */
type Outcome = Extract<SessionEvent, { kind: 'recorded' | 'failed' }>;

export const PROBE_RESULTS = ['success', 'failure'] as const;
/** Longer than anybody rings, and the set-up. */
const SETUP_MS_MAX = 60_000;
const RETRY_MS = 1_000;
/** A client that starts is given so long; one that is not attached by then fails its calls, as users’ would. */
const ATTACH_MS_MAX = 60_000;

export type ProbeMetrics = ReturnType<typeof probeMetrics>;

/** The label `peer_zone` is the callee's zone; `zone` is the caller's, as on every metric of a node. */
export function probeMetrics(registry: Registry) {
  const common = { labelNames: ['peer_zone'] as const, registers: [registry] };
  return {
    calls: new Counter({
      name: 'herd_probe_calls_total',
      help: 'Probe calls by what came of them.',
      labelNames: ['peer_zone', 'result'] as const,
      registers: [registry],
    }),
    setup: new Histogram({
      name: 'herd_probe_setup_seconds',
      help: 'From dialling to the answer, of probe calls that were answered.',
      buckets: [0.25, 0.5, 1, 2, 4, 8, 16, 32],
      ...common,
    }),
    delay: new Gauge({
      name: 'herd_probe_one_way_delay_seconds',
      help: 'Mouth to ear in the last probe call: network, packetization and playout buffer; the median of its frames.',
      ...common,
    }),
    loss: new Gauge({
      name: 'herd_probe_loss_ratio',
      help: 'Share of the last probe call’s frames that were lost or late.',
      ...common,
    }),
    mos: new Gauge({
      name: 'herd_probe_mos',
      help: 'Mean opinion score of the last probe call, 1 to 4.5, from its delay and loss (E-model).',
      ...common,
    }),
    ended: new Gauge({
      name: 'herd_probe_last_success_timestamp_seconds',
      help: 'When the last probe call that went well ended.',
      ...common,
    }),
  };
}

/** Counts one call; undefined: it came to no end. */
export function observe(metrics: ProbeMetrics, zone: string, outcome: Outcome | undefined, nowMs: number): void {
  const labels = { peer_zone: zone };
  metrics.calls.inc({ ...labels, result: outcome?.kind === 'recorded' ? 'success' : 'failure' });
  if (outcome?.kind !== 'recorded') return;
  const { oneWayMsMedian, playoutDelayMs, lossRatio } = outcome.report;
  metrics.setup.observe(labels, outcome.setupMs / 1000);
  metrics.loss.set(labels, lossRatio);
  metrics.ended.set(labels, nowMs / 1000);
  const delayMs = oneWayMsMedian + playoutDelayMs + PACKETIZATION_MS;
  // Of a call without a frame there is no delay; clocks that differ make it negative.
  if (!(delayMs >= 0)) return;
  metrics.delay.set(labels, delayMs / 1000);
  metrics.mos.set(labels, meanOpinionScore(rFactor({ delayMs, lossRatio })));
}

/** The pace is kept after a call that took longer, too: at once, the client would not be done with that one. */
export const pauseMs = (everySeconds: number, tookMs: number): number =>
  everySeconds * 1000 - (tookMs % (everySeconds * 1000));

/** Calls until the signal. `call` gives undefined while another call is in progress. */
export async function probe(
  { contact, everySeconds, callSeconds }: ProbeConfig,
  attached: () => boolean,
  call: (contact: string, seconds: number) => Promise<Outcome> | undefined,
  metrics: ProbeMetrics,
  signal: AbortSignal,
): Promise<void> {
  const callee = parseContact(contact);
  if ('refused' in callee) throw new Error(callee.refused);
  for (const result of PROBE_RESULTS) metrics.calls.inc({ peer_zone: callee.zone, result }, 0);
  metrics.setup.zero({ peer_zone: callee.zone });
  for (let waitedMs = 0; !attached() && waitedMs < ATTACH_MS_MAX && !signal.aborted; waitedMs += RETRY_MS)
    await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
  await repeat(
    signal,
    (error) => log('warn', 'probe', { reason: error.message }),
    RETRY_MS,
    async () => {
      const startedMs = Date.now();
      const overMs = SETUP_MS_MAX + callSeconds * 1000;
      const outcome = await Promise.race([call(contact, callSeconds), sleep(overMs, undefined, { ref: false })]);
      observe(metrics, callee.zone, outcome ?? undefined, Date.now());
      if (outcome?.kind === 'failed') log('warn', 'a probe call has failed', { reason: outcome.reason });
      return pauseMs(everySeconds, Date.now() - startedMs);
    },
  );
}
