import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Exporters, exporters, metricLines } from '../../../monitoring/exporters.ts';
import { observe } from '../../../nodes/client/probe.ts';
import type { Consensus } from '../../../nodes/config/consensus.ts';
import { DROP_REASONS } from '../../../nodes/core/drop.ts';
import { controllers } from '../../../operator/controllers/manager.ts';
import { measureFleet } from '../../../operator/metrics.ts';
import { derivedKeys } from '../nodes/support/keys.ts';
import { slot, superpeer, zone } from '../operator/samples.ts';
import { promtool, withoutPromtool } from './promtool.ts';

/**
 * Metrics are a side channel: a label that is not here has to be argued for. Beside each how many values it has at most,
 * as a number or by what bounds it; none is a client, a circuit, a call, an address or a node.
 */
const LABELS: Readonly<Record<string, number>> = {
  role: 5, // mix, rendezvous, superpeer, directory, client
  zone: 3, // zones
  peer_zone: 3, // zones
  reason: DROP_REASONS.length, // of drops, findings, drains and conditions
  key: 2, // link, circuit
  kind: 5, // of keys; of the collector's runs
  version: 1,
  controller: controllers.length,
  result: 3, // success, error, failure
  resource: 15, // that the operator watches or asks for
  by: 2, // list, watch
  verb: 8,
  code: 12, // HTTP statuses
  state: 5, // of a NodeSlot
  le: 20,
  namespace: 1, // of Zones
  secret: 1, // kubeconfigs of other clusters
};

/** A series for a histogram's every bucket, and one for whatever a metric has many of in the fullest case below. */
const SERIES_MAX = 400;

const consensus = {
  zone: 'eu',
  epoch: 7,
  validUntilMs: 5_000,
  params: { clientsPerChannel: 20, directClients: 3, meshCellsPerTick: 2 },
  channels: [],
  meshRates: [],
} as unknown as Consensus;

const FRAMES = { expected: 100, received: 99, late: 0 };

/** All daemons, after everything that they count has happened. */
async function busy(): Promise<Exporters> {
  const peers = ['na', 'sa'].map((name) => ({ ...consensus, zone: name }));
  const all = exporters({
    view: () => ({ json: {}, text: '', view: { own: consensus, peers }, verifiedMs: 4_000 }),
    tag: '00',
    keys: () => derivedKeys(Buffer.alloc(32, 1)),
    served: () => ['eu', 'na', 'sa'].map((name) => ({ zone: name, signingKey: 1, roster: 2, registered: 2, peers: 2 })),
  });
  const { operator } = all;
  for (const controller of controllers) {
    for (const result of ['success', 'error']) operator.reconciles.inc({ controller, result });
    operator.reconcileSeconds.observe({ controller }, 1);
    operator.reconcileSuccess.set({ controller }, 1);
    operator.queueAdds.inc({ controller });
    operator.queueRetries.inc({ controller });
    operator.queueSeconds.observe({ controller }, 1);
    operator.queueDepth.set({ controller }, 1);
    operator.longestRun.set({ controller }, 1);
  }
  operator.kubeRequests.inc({ verb: 'apply', resource: 'zones/status', code: '200' });
  operator.kubeRequestSeconds.observe({ verb: 'get' }, 1);
  operator.watchErrors.inc({ resource: 'zones' });
  operator.watchBegins.inc({ resource: 'zones', by: 'list' });
  operator.watchSilentSeconds.set({ resource: 'zones' }, 1);
  operator.clusterReachable.set({ namespace: 'herd', secret: 'west' }, 1);
  const made = { name: 'link-1', made: '2026-01-01T00:00:00Z', expires: '2026-01-02T00:00:00Z' };
  measureFleet(operator, {
    zones: [zone('eu'), zone('na')],
    slots: [slot('eu-a', 'mix', { keys: [made], drainReason: 'Cordoned' }), slot('na-b', 'rendezvous')],
    superpeers: [superpeer('s', 'eu')],
  });
  const report = { seconds: [], oneWayMsMedian: 80, playoutDelayMs: 60, lossRatio: 0.01, frames: FRAMES };
  observe(all.probe, 'na', { kind: 'recorded', setupMs: 700, voice: Buffer.alloc(0), report }, 1_000);
  observe(all.probe, 'na', undefined, 1_000);
  // The collector's runs are counted from when one has been.
  for (
    let turn = 0;
    turn < 100 && !(await operator.registry.metrics()).includes('gc_duration_seconds_sum');
    turn += 1
  ) {
    Array.from({ length: 100_000 }, (_, index) => [index]);
    await sleep(10);
  }
  return all;
}

const all = await busy();

test('every label is one of the list, and has as many values as the list says at most', async () => {
  const values = new Map<string, Set<string>>();
  for (const registry of all.registries.values()) {
    for (const { name, values: series } of await registry.getMetricsAsJSON()) {
      assert(series.length > 0, `${name} has no series here: nothing was tried`);
      assert(series.length <= SERIES_MAX, name);
      for (const { labels } of series) {
        for (const [label, value] of Object.entries(labels)) {
          assert(label in LABELS, `${name}{${label}}`);
          assert.match(String(value), /^[-+./A-Za-z0-9_]{1,63}$/, `${name}{${label}}`);
          values.set(label, (values.get(label) ?? new Set()).add(String(value)));
        }
      }
    }
  }
  for (const [label, seen] of values) assert(seen.size <= LABELS[label]!, `${label}: ${[...seen]}`);
  for (const line of metricLines())
    for (const label of line.labels) assert(label in LABELS, `${line.name} has the label ${label}`);
  assert.deepEqual(
    Object.keys(LABELS).filter((label) => !values.has(label)),
    [],
    'labels that no metric has',
  );
});

test('names say what is measured as Prometheus asks', { skip: withoutPromtool }, async () => {
  for (const [role, registry] of all.registries) {
    const text = await registry.metrics();
    assert.equal(promtool(['check', 'metrics'], text), '', role);
  }
});

test('promtool does find fault', { skip: withoutPromtool }, () => {
  assert.throws(
    () => promtool(['check', 'metrics'], '# TYPE herd_things_total gauge\nherd_things_total 1\n'),
    /no help text|_total/,
  );
});
