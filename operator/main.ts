/**
 * Flags → client → caches → lease → controllers → /metrics. Leaves with 0 on SIGTERM, with 1 when the lease is lost.
 *
 * On SIGTERM, in this order: not ready any more, no new keys, running reconciles end, the lease is given up, so that
 * another goes on, events are told, exit.
 */
import { once } from 'node:events';
import { leaseName, readConfig } from './config.ts';
import { fleetOf } from './controllers/caches.ts';
import { directoryOverHttp } from './controllers/directory.ts';
import { controllers, Manager } from './controllers/manager.ts';
import { sleep } from './kube/backoff.ts';
import { KubeClient } from './kube/client.ts';
import { fromKubeconfig, inCluster } from './kube/cluster.ts';
import { messageOf } from './kube/errors.ts';
import { Elector } from './kube/lease.ts';
import { beginCounting, createMetrics, measureFleet } from './metrics.ts';
import { serveHealth } from './server.ts';

/** Reconciles that run get so long to end, events so long to be told; the pod is given 30 s in all. */
const drainMs = 20_000;
const flushMs = 3_000;

/** To look at thousands of statuses more often than they are asked about would be idle work. */
const fleetMs = 30_000;

const log = (level: 'error' | 'info', message: string, fields: Record<string, unknown> = {}) =>
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, message, ...fields })}\n`);

async function main(): Promise<number> {
  const config = readConfig(process.argv.slice(2), process.env);
  const cluster = config.kubeconfig ? await fromKubeconfig(config.kubeconfig) : await inCluster(process.env);
  const metrics = createMetrics();
  const onRequest = (verb: string, resource: string, code: number, seconds: number) => {
    metrics.kubeRequests.inc({ verb, resource, code });
    if (verb !== 'watch') metrics.kubeRequestSeconds.observe({ verb }, seconds);
  };
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());

  let leadsSinceMs = Date.now();
  // For what needs no lease: earning it, and telling what was done, which claims nothing.
  const freeClient = new KubeClient(cluster, { onRequest });
  const elector = new Elector(freeClient, config.ownNamespace, leaseName, config.instance);
  const client = new KubeClient(cluster, { onRequest, writeMsLeft: () => elector.writeMsLeft() });
  const manager = new Manager({
    client,
    memberClient: { onRequest, writeMsLeft: () => elector.writeMsLeft() },
    eventClient: freeClient,
    namespaces: config.namespaces,
    nodeImage: config.nodeImage,
    instance: config.instance,
    askDirectory: directoryOverHttp(),
    onReconcile: (controller, key, seconds, error) => {
      metrics.reconciles.inc({ controller, result: error ? 'error' : 'success' });
      metrics.reconcileSeconds.observe({ controller }, seconds);
      if (!error) metrics.reconcileSuccess.set({ controller }, Date.now() / 1000);
      if (error) log('error', 'reconcile failed, will retry', { controller, key, error: messageOf(error) });
    },
    onWatchError: (resource, error) => {
      metrics.watchErrors.inc({ resource });
      log('info', 'watch ended, will resume', { resource, error: messageOf(error) });
    },
    queueObserver: (controller) => ({
      added: () => metrics.queueAdds.inc({ controller }),
      retried: () => metrics.queueRetries.inc({ controller }),
      // While it stood by, nobody waited for it.
      taken: (waitedMs) =>
        metrics.queueSeconds.observe({ controller }, Math.min(waitedMs, Date.now() - leadsSinceMs) / 1000),
    }),
    onMemberError: (namespace, secret, error) =>
      log('info', 'another cluster', { namespace, secret, error: messageOf(error) }),
    onWatchBegin: (resource, by) => metrics.watchBegins.inc({ resource, by }),
  });
  const resources = Object.values(manager.caches).map((cache) => cache.resource.plural);
  beginCounting(metrics, controllers, resources);
  measure();
  const server = serveHealth({ ready: () => manager.synced() && !stop.signal.aborted, registry: metrics.registry });
  await once(server.listen(config.port), 'listening');
  log('info', 'operator started', { instance: config.instance, namespaces: config.namespaces });

  const electionError = (error: unknown) => log('error', 'lease', { error: messageOf(error) });
  await manager.sync(stop.signal);
  const leads = await elector.acquire(stop.signal, electionError);
  if (leads) {
    log('info', 'leading');
    leadsSinceMs = Date.now();
    manager.start();
    await elector.hold(stop.signal, electionError);
    if (!stop.signal.aborted) {
      log('error', 'lease lost');
      return 1;
    }
    const renewing = new AbortController();
    const renewal = elector.hold(renewing.signal, electionError);
    await Promise.race([manager.stop(), sleep(drainMs)]);
    renewing.abort();
    await renewal;
    await elector.release().catch(electionError);
    await Promise.race([manager.flushEvents(), sleep(flushMs)]);
  }
  log('info', 'operator stopped');
  return 0;

  function measure() {
    const update = () => {
      metrics.leader.set(elector.leads() ? 1 : 0);
      for (const controller of controllers) {
        metrics.queueDepth.set({ controller }, elector.leads() ? manager.workers[controller].depth() : 0);
        metrics.longestRun.set({ controller }, manager.workers[controller].longestRunSeconds());
      }
      for (const cache of Object.values(manager.caches)) {
        metrics.watchSilentSeconds.set({ resource: cache.resource.plural }, cache.silentSeconds());
      }
      metrics.clusterReachable.reset();
      for (const { namespace, secret, reachable } of manager.members.reachable())
        metrics.clusterReachable.set({ namespace, secret }, reachable ? 1 : 0);
    };
    setInterval(update, 1_000).unref();
    setInterval(() => measureFleet(metrics, fleetOf(manager.caches)), fleetMs).unref();
  }
}

main().then(
  (code) => process.exit(code),
  (error) => {
    log('error', messageOf(error));
    process.exit(2);
  },
);
