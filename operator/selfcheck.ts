/**
 * Whether the operator of a cluster is at work, as three questions that only a working one answers well: are the kinds
 * served, and as this release knows them; does somebody renew the lease; is an operator ready behind its Service.
 * Says what it found, line by line; leaves with 0 if all is well, with 1 if not, with 2 if it can't ask.
 * It reads, and changes nothing.
 */
import { isIPv6 } from 'node:net';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { customResourceDefinitions } from './api/schema.ts';
import { leaseName } from './config.ts';
import { sleep } from './kube/backoff.ts';
import { KubeClient } from './kube/client.ts';
import { fromKubeconfig, inCluster } from './kube/cluster.ts';
import { messageOf } from './kube/errors.ts';
import { leaseMs, retryMs } from './kube/lease.ts';
import { type KubeObject, leases, type Resource } from './kube/types.ts';

/** What is wrong; undefined: nothing. */
type Finding = string | undefined;
type Definition = ReturnType<typeof customResourceDefinitions>[number];

interface StoredDefinition extends KubeObject {
  readonly spec: { readonly versions: readonly { readonly name: string; readonly schema?: object }[] };
  readonly status?: { readonly conditions?: readonly { type: string; status: string; message?: string }[] };
}

const definitions: Resource<StoredDefinition> = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
};

const readyMsMax = 5_000;

async function served(client: KubeClient, wanted: Definition): Promise<Finding> {
  const stored = await client.get(definitions, undefined, wanted.metadata.name);
  if (!stored) return 'is not there: install the chart herd-crds';
  const established = stored.status?.conditions?.find(({ type }) => type === 'Established');
  if (established?.status !== 'True') return `is not Established: ${established?.message ?? 'no word of it'}`;
  const [version] = wanted.spec.versions;
  const schema = stored.spec.versions.find(({ name }) => name === version!.name)?.schema;
  const known = JSON.parse(JSON.stringify(version!.schema));
  return isDeepStrictEqual(schema, known)
    ? undefined
    : 'is of another release than this operator: upgrade the older of the two';
}

/** A lease is fresh if it is renewed while we look: clocks of different machines are not compared. */
async function renewed(client: KubeClient, namespace: string): Promise<Finding> {
  let first: string | undefined;
  for (const until = performance.now() + leaseMs + retryMs; performance.now() < until; await sleep(retryMs / 2)) {
    const { holderIdentity, renewTime } = (await client.get(leases, namespace, leaseName))?.spec ?? {};
    if (!holderIdentity || !renewTime) continue;
    first ??= renewTime;
    if (renewTime !== first) return undefined;
  }
  const seconds = (leaseMs + retryMs) / 1000;
  return first ? `was not renewed within ${seconds} s` : `was not held within ${seconds} s`;
}

async function ready(host: string, port: string): Promise<Finding> {
  const url = `http://${isIPv6(host) ? `[${host}]` : host}:${port}/readyz`;
  const response = await fetch(url, { signal: AbortSignal.timeout(readyMsMax) });
  return response.ok ? undefined : `answers ${response.status}`;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { kubeconfig: { type: 'string' } } });
  const { POD_NAMESPACE: namespace, HERD_OPERATOR_SERVICE_HOST: host, HERD_OPERATOR_SERVICE_PORT: port } = process.env;
  if (!namespace) throw new Error('POD_NAMESPACE is not set (where the lease is kept)');
  const client = new KubeClient(
    values.kubeconfig ? await fromKubeconfig(values.kubeconfig) : await inCluster(process.env),
  );
  const checks = [
    ...customResourceDefinitions().map((d) => ({
      what: `definition ${d.metadata.name}`,
      ask: () => served(client, d),
    })),
    { what: `lease ${namespace}/${leaseName}`, ask: () => renewed(client, namespace) },
    {
      what: 'operator',
      ask: async () => (host && port ? ready(host, port) : 'has no Service herd-operator in this namespace'),
    },
  ];
  const findings = await Promise.all(
    checks.map(async ({ what, ask }) => {
      // What fetch throws says why in its cause.
      const finding = await ask().catch((error) => `cannot be asked: ${messageOf(error.cause ?? error)}`);
      console.log(`${finding ? 'FAILED' : 'ok'} ${what}${finding ? ` ${finding}` : ''}`);
      return finding;
    }),
  );
  await client.close();
  return findings.some((finding) => finding !== undefined) ? 1 : 0;
}

main().then(
  (code) => process.exit(code),
  (error) => {
    console.error(messageOf(error));
    process.exit(2);
  },
);
