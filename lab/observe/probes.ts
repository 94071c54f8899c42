/** Probes as the charts have them: from each zone one that calls, and one in the other zone that answers it. */
import { randomBytes } from 'node:crypto';
import { type Probe, probeObjects } from '../../monitoring/probe.ts';
import { printContact } from '../../nodes/config/contact.ts';
import { Identity } from '../../nodes/crypto/keys.ts';
import { operatorNamespace } from '../../operator/install.ts';
import { regionSelector } from '../../operator/objects/labels.ts';
import { CHAOS_ZONES } from '../chaos/resources.ts';
import type { Chaos } from '../chaos/steps.ts';
import { apply, list } from '../herd/deploy.ts';
import { run as runKubectl } from '../kubernetes/kubectl.ts';

/** Calls that the probes hold at once. */
export const PROBE_CALLS = CHAOS_ZONES.length;
const EVERY_SECONDS = 20;
const CALL_SECONDS = 6;

export async function deployProbes(chaos: Chaos): Promise<void> {
  const zones = await list(chaos.kubectl, 'zones');
  const identities: object[] = [];
  const probes: Probe[] = [];
  const add = (name: string, zone: (typeof CHAOS_ZONES)[number], calls: Probe['calls']): string => {
    const { status } = zones.find(({ metadata }) => metadata.name === zone.name)!;
    const seed = randomBytes(32);
    const identitySecret = `probe-${name}`;
    const metadata = { name: identitySecret, namespace: operatorNamespace };
    identities.push({ apiVersion: 'v1', kind: 'Secret', metadata, stringData: { identity: seed.toString('base64') } });
    probes.push({
      name,
      namespace: operatorNamespace,
      image: chaos.nodeImage,
      zone: zone.name,
      directory: { url: status!.directoryURL!, rootKey: status!.rootKey! },
      identitySecret,
      nodeSelector: regionSelector(zone.regions[0]),
      calls,
    });
    return printContact(zone.name, new Identity(seed).publicKey);
  };
  for (const [index, caller] of CHAOS_ZONES.entries()) {
    const callee = CHAOS_ZONES[(index + 1) % CHAOS_ZONES.length]!;
    const contact = add(`${caller.name}-${callee.name}-answers`, callee, undefined);
    const calls = { contact, everySeconds: EVERY_SECONDS, callSeconds: CALL_SECONDS };
    add(`${caller.name}-${callee.name}`, caller, calls);
  }
  await apply(chaos.kubectl, [...identities, ...probes.flatMap(probeObjects)]);
  await runKubectl(chaos.kubectl, [
    ...['wait', '--for=condition=Available', '--timeout=120s', '--namespace', operatorNamespace],
    ...['deployment', '--selector', 'app.kubernetes.io/component=probe'],
  ]);
}
