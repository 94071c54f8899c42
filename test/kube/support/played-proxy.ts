/**
 * Plays what pods and Services answer to whom the API server's proxy takes there: directories with the consensus of a whole
 * zone, and nodes with metrics. A fault is something that one of them does wrong.
 */

import { Identity } from '../../../nodes/crypto/keys.ts';
import type { Zone } from '../../../operator/api/zone.ts';
import { parseZone } from '../../../operator/api/zone.ts';
import type { Answer } from '../../../operator/kube/client.ts';
import * as kube from '../../../operator/kube/types.ts';
import type { DirectoryConfig, RosterEntry } from '../../../operator/objects/config.ts';
import { hostOf } from '../../../operator/plan/relations.ts';
import { metricsOf, type Says, viewOf } from '../../unit/plugin/samples.ts';
import type { Mirror } from './mirror.ts';

export interface Faults {
  /** Pods that nothing reaches. */
  readonly unreachable?: readonly string[];
  readonly clockAheadMs?: number;
  /** Datagrams that are not sent, of those that should be. */
  readonly sendsLess?: number;
  readonly epochsBehind?: number;
  readonly withoutPeers?: boolean;
  /** The consensus is signed under another key. */
  readonly forged?: boolean;
  /** Since when the keys that the consensus lists are in force. */
  readonly keysFromMs?: number;
}

const ticksPerSecond = 50;
const sentPerTick = 24;

export function playProxy(mirror: Mirror, namespace: string, faults: Faults = {}) {
  return async (path: string): Promise<Answer> => {
    const dateMs = Math.floor((Date.now() + (faults.clockAheadMs ?? 0)) / 1000) * 1000;
    const [, pod] = /^\/api\/v1\/namespaces\/[^/]+\/pods\/([^/]+):\d+\/proxy\/metrics$/.exec(path) ?? [];
    if (pod) {
      if (faults.unreachable?.includes(pod)) throw new Error('no route to host');
      const ticks = (ticksPerSecond * Date.now()) / 1000;
      const sent = sentPerTick * ticks * (1 - (faults.sendsLess ?? 0));
      return { text: metricsOf({ ticks, sent, configured: sentPerTick, up: 3, expected: 3 }), dateMs };
    }
    const [, service, zone] =
      /^\/api\/v1\/namespaces\/[^/]+\/services\/([^/]+)-directory:8080\/proxy\/v1\/zones\/([^/]+)\/view$/.exec(path) ??
      [];
    if (!service || !zone) throw new Error(`nothing is played at ${path}`);
    const peers = faults.withoutPeers ? [] : zoneNamed(zone).spec.peers.map((peer) => says(peer.zone));
    return { text: JSON.stringify(viewOf(says(zone), peers)), dateMs };
  };

  function says(name: string): Says {
    const zone = zoneNamed(name);
    const host = zoneNamed(hostOf(zone));
    const epoch = Math.floor(Date.now() / (1000 * host.spec.epochSeconds)) - (faults.epochsBehind ?? 0);
    const root = faults.forged ? new Identity(Buffer.alloc(32, 9)) : rootOf(name);
    return {
      ...{ zone: name, root, epoch, validUntilMs: Date.now() + 86_400_000 },
      nodes: rosterOf(host, name).map(({ id, role }) => ({ id, role })),
      ...(faults.keysFromMs === undefined ? {} : { keysFromMs: faults.keysFromMs }),
    };
  }

  function zoneNamed(name: string): Zone {
    const parsed = parseZone(mirror.get(kube.zones, namespace, name)!);
    if (!parsed.ok) throw new Error(parsed.problems.join('; '));
    return parsed.value;
  }

  function rosterOf(host: Zone, name: string): readonly RosterEntry[] {
    const map = mirror.get(kube.configMaps, namespace, `${host.metadata.name}-directory-0`)!;
    const config = JSON.parse(map.data!['node.json']!) as DirectoryConfig;
    return config.zones.find(({ zone }) => zone === name)!.roster;
  }

  function rootOf(zone: string): Identity {
    const secret = mirror.get(kube.secrets, namespace, `${zone}-root`) as kube.KubeObject & { data: { root: string } };
    return new Identity(Buffer.from(Buffer.from(secret.data.root, 'base64').toString(), 'base64'));
  }
}
