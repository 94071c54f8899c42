/**
 * What is asked of a zone that runs, check by check: evidence → pass, fail or skip, what was seen and what to do. Pure.
 * A check fails as well when what it needs can't be looked at; it is skipped when another one tells why.
 */
import { type Consensus, inForce, type ScheduledKey, type View, verifyView } from '../../nodes/config/consensus.ts';
import { durationMs } from '../../operator/api/fields.ts';
import { customResourceDefinitions } from '../../operator/api/schema.ts';
import type { NodeSlot } from '../../operator/api/slot.ts';
import { slotsOf, superpeersOf } from '../herd.ts';
import { kindIn, newestKeys, numberIn, overdue } from '../keys.ts';
import { wrongOfSlot, wrongOfSuperpeer, wrongOfZone } from '../status.ts';
import { lengthOf, plural } from '../text.ts';
import { type Evidence, isDirectory, type Scrape } from './evidence.ts';

export type Result = 'fail' | 'pass' | 'skip';

export interface Finding {
  readonly zone: string;
  readonly check: string;
  readonly result: Result;
  readonly seen: string;
  /** Of a check that fails. */
  readonly todo: string;
}

type Seen = { readonly pass: string } | { readonly fail: string } | { readonly skip: string };

interface Check {
  readonly name: string;
  readonly todo: string;
  readonly look: (evidence: Evidence) => Seen;
}

/** Of a machine whose clock is kept by NTP it is a fiftieth; what is told is told to the second. */
const skewMsMax = 5_000;
/** Beyond it ticks are not as frequent as they have to be; the readings come over the network. */
const tickShareOff = 0.05;
/** Of what a node should send per tick: handshakes and audits come on top. */
const rateShareOff = 0.05;
/** From one stretch of time to the next. */
const changeShareMax = 0.02;
const lateShareMax = 0.01;
const ticksPerSecond = 50;
/** A kubelet takes about a minute to bring a new key into a pod. */
const keyArrivesMs = 3 * 60_000;
/** From when a key is due until it is in force everywhere, in epochs. */
const successionEpochs = 4;

export const checks: readonly Check[] = [
  {
    name: 'crds',
    todo: 'install the CRDs of this version',
    look: ({ definitions }) => {
      if ('problem' in definitions) return { fail: definitions.problem };
      const established = new Set(
        definitions.value
          .filter(({ status }) => status?.conditions?.some((c) => c.type === 'Established' && c.status === 'True'))
          .map(({ metadata }) => metadata.name),
      );
      const wanted = customResourceDefinitions().map(({ metadata }) => metadata.name);
      return none(
        wanted.filter((name) => !established.has(name)),
        'not established',
        `${wanted.length} established`,
      );
    },
  },
  {
    name: 'operator',
    todo: 'see the operator’s pods and their logs; without it nothing is repaired, and calls go on',
    look: ({ operator, lease, nowMs }) => {
      if ('problem' in operator) return { fail: operator.problem };
      if ('problem' in lease) return { fail: lease.problem };
      const { holderIdentity, renewTime, leaseDurationSeconds = 15 } = lease.value.spec ?? {};
      const ageMs = nowMs - Date.parse(renewTime ?? '');
      if (!holderIdentity || !(ageMs < 2_000 * leaseDurationSeconds))
        return { fail: `nobody leads${renewTime ? `: the lease was last renewed ${lengthOf(ageMs)} ago` : ''}` };
      return { pass: `${holderIdentity} leads` };
    },
  },
  {
    name: 'zone',
    todo: 'see the table of conditions in operator/README.md',
    look: ({ zone, nowMs }) =>
      none(
        wrongOfZone(zone, nowMs).map(({ reason, message }) => `${reason}: ${message}`),
        '',
        'all conditions are as they should be',
      ),
  },
  {
    name: 'slots',
    todo: 'kubectl describe nodeslot NAME; then its pod and its log',
    look: (evidence) => {
      const slots = slotsOf(evidence.herd, evidence.zone);
      const bad = slots.filter((slot) => wrongOfSlot(slot, evidence.nowMs).length > 0 || !isServing(slot));
      const missing = missingOf(evidence.zone.spec.regions, slots);
      return none(
        [
          ...missing,
          ...bad.map((slot) => {
            const [first] = wrongOfSlot(slot, evidence.nowMs);
            const why = first ? ` (${first.reason}: ${first.message})` : '';
            return `${slot.metadata.name} is ${slot.status?.state ?? 'Pending'}${why}`;
          }),
        ],
        '',
        plural(slots.length, 'slot'),
      );
    },
  },
  {
    name: 'superpeers',
    todo: 'kubectl describe superpeer NAME; approve or readmit it with kubectl herd superpeer, or delete it',
    look: ({ herd, zone }) => {
      const all = superpeersOf(herd, zone);
      const bad = all.flatMap((superpeer) =>
        wrongOfSuperpeer(superpeer).map(({ name, reason, message }) => `${name} (${reason}: ${message})`),
      );
      return none(bad, '', plural(all.length, 'superpeer'));
    },
  },
  {
    name: 'directory',
    todo: 'see the directory’s pod and log; nodes and clients go on with the consensus that they have',
    look: ({ view }) => ('problem' in view ? { fail: `no answer: ${view.problem}` } : { pass: 'it answers' }),
  },
  {
    name: 'signature',
    todo: 'compare the zone’s status.rootKey with the directory’s Secret ZONE-root; believe nothing of it until then',
    look: (evidence) => {
      if ('problem' in evidence.view) return { skip: 'the directory does not answer' };
      const { rootKey } = evidence.zone.status ?? {};
      if (!rootKey) return { fail: 'the zone has published no root key' };
      const view = verifyView(
        evidence.view.value,
        Buffer.from(rootKey, 'base64'),
        evidence.zone.metadata.name,
        evidence.nowMs,
      );
      return 'refused' in view ? { fail: view.refused } : { pass: 'the consensus is signed under the root key' };
    },
  },
  {
    name: 'freshness',
    todo: 'see the directory’s log and its machine’s clock',
    look: withConsensus((own, evidence) => {
      const epochMs = epochMsOf(evidence);
      const range = [-skewMsMax, skewMsMax].map((off) => Math.floor((evidence.nowMs + off) / epochMs));
      const [least, most] = range as [number, number];
      if (own.epoch >= least && own.epoch <= most) return { pass: `epoch ${own.epoch}` };
      const word = own.epoch < least ? 'behind' : 'ahead';
      return { fail: `the consensus is of epoch ${own.epoch}, ${plural(Math.abs(most - own.epoch), 'epoch')} ${word}` };
    }),
  },
  {
    name: 'nodes',
    todo: 'see the logs of the nodes named: they have not reached the directory, or it refuses them',
    look: withConsensus((own, { herd, zone }) => {
      const listed = new Set(own.nodes.map(({ id }) => id));
      const external = superpeersOf(herd, zone).filter(
        ({ spec, status }) => spec.external && isTrue(status, 'Approved'),
      );
      const wanted = [...slotsOf(herd, zone).filter(({ status }) => status?.drainReason !== 'Retired'), ...external];
      return none(
        wanted.map(({ metadata }) => metadata.name).filter((name) => !listed.has(name)),
        'not in the consensus',
        `${plural(wanted.length, 'node')} in the consensus`,
      );
    }),
  },
  {
    name: 'peers',
    todo: 'see the condition PeersResolved; the peer’s directory must be reachable from this one, be known by its root key, and name this zone',
    look: withView(({ peers }, { zone, herd }) => {
      const known = new Set(peers.map((peer) => peer.zone));
      const bad = zone.spec.peers.flatMap((peer) => {
        if (!known.has(peer.zone)) return [`${peer.zone}: the directory has no consensus of it that verifies`];
        const there = herd.zones.find(
          ({ metadata }) => metadata.name === peer.zone && metadata.namespace === zone.metadata.namespace,
        );
        const isNamed = !there || there.spec.peers.some((back) => back.zone === zone.metadata.name);
        return isNamed ? [] : [`${peer.zone}: it does not name ${zone.metadata.name}`];
      });
      return none(bad, '', plural(zone.spec.peers.length, 'peer'));
    }),
  },
  {
    name: 'keys',
    todo: 'see the operator’s log and the Secrets NODE-keys; kubectl herd rotate asks for new ones',
    look: (evidence) => {
      const { zone, herd, nowMs } = evidence;
      const owners = [zone, ...slotsOf(herd, zone)];
      const late = owners.flatMap(({ metadata, status }) =>
        overdue(status?.keys, nowMs).map((key) => `${metadata.name}: ${key.name} was due ${key.expires}`),
      );
      const silent = owners.filter(
        ({ metadata, status }) => !metadata.deletionTimestamp && status && (status.keys ?? []).length === 0,
      );
      const stale = staleIn(evidence);
      return none(
        [...late, ...silent.map(({ metadata }) => `${metadata.name}: no keys are told of`), ...stale],
        '',
        `none is overdue of ${plural(owners.flatMap(({ status }) => newestKeys(status?.keys)).length, 'key')}`,
      );
    },
  },
  {
    name: 'images',
    todo: 'a pod of an older image drains by itself; see Progressing, and who else changes pods or StatefulSets',
    look: ({ operator, pods }) => {
      if ('problem' in operator) return { skip: 'the operator is not found' };
      const { nodeImage } = operator.value;
      if (!nodeImage) return { fail: 'the operator’s Deployment does not say HERD_NODE_IMAGE' };
      const other = pods.flatMap(({ metadata, spec }) => {
        const images = (spec?.containers ?? []).map(({ image }) => image ?? 'none');
        return images.every((image) => image === nodeImage) ? [] : [`${metadata.name} runs ${images.join(', ')}`];
      });
      return none(other, '', `${plural(pods.length, 'pod')} of ${nodeImage}`);
    },
  },
  {
    name: 'metrics',
    todo: 'see the pods named, and whether the API server reaches their machines; it takes the right to get pods/proxy',
    look: ({ scrapes }) => {
      const silent = [...scrapes].flatMap(([pod, had]) => ('problem' in had ? [`${pod}: ${had.problem}`] : []));
      if (scrapes.size === 0) return { fail: 'the zone has no pods' };
      return none(silent, '', `${plural(scrapes.size, 'pod')} answer`);
    },
  },
  {
    name: 'clocks',
    todo: 'see NTP on the machines of the pods named',
    look: (evidence) => {
      const told = scraped(evidence).map(([pod, scrapes]) => [pod, scrapes.at(-1)!.aheadMs] as const);
      const off = told.flatMap(([pod, aheadMs]) => {
        if (!Number.isFinite(aheadMs)) return [`${pod} does not tell the time`];
        const word = aheadMs > 0 ? 'ahead' : 'behind';
        return Math.abs(aheadMs) <= skewMsMax ? [] : [`${pod} is ${lengthOf(Math.abs(aheadMs))} ${word}`];
      });
      return told.length === 0 ? nothingScraped : none(off, '', `within ${lengthOf(skewMsMax)} of the API server’s`);
    },
  },
  {
    name: 'keys-read',
    todo: 'see the log of the node: it can’t read its key files, or the kubelet has not brought them',
    look: (evidence) => {
      const slots = new Map(slotsOf(evidence.herd, evidence.zone).map((slot) => [`${slot.metadata.name}-0`, slot]));
      const behind = scraped(evidence).flatMap(([pod, scrapes]) =>
        newestKeys(slots.get(pod)?.status?.keys).flatMap((key) => {
          const reads = scrapes.at(-1)!.samples.get('herd_node_key_number', `key="${kindIn(key)}"`);
          const isNew = evidence.nowMs - Date.parse(key.made) < keyArrivesMs;
          return reads === undefined || reads >= numberIn(key) || isNew
            ? []
            : [`${pod} is at ${kindIn(key)}-${reads}, the newest is ${key.name}`];
        }),
      );
      return scraped(evidence).length === 0 ? nothingScraped : none(behind, '', 'every node has its newest keys');
    },
  },
  {
    name: 'links',
    todo: 'see the log of the node, and whether the network lets UDP through between the machines',
    look: (evidence) => {
      const counted = relays(evidence).map(([pod, scrapes]) => {
        const { samples } = scrapes.at(-1)!;
        return [pod, samples.get('herd_node_links_up') ?? 0, samples.get('herd_node_links_expected') ?? 0] as const;
      });
      const down = counted.filter(([, up, expected]) => up < expected);
      if (counted.length === 0) return nothingScraped;
      return none(
        down.map(([pod, up, expected]) => `${pod} has ${up} of ${expected}`),
        '',
        plural(
          counted.reduce((sum, [, up]) => sum + up, 0),
          'link',
        ),
      );
    },
  },
  {
    name: 'rates',
    todo: 'a node that does not send at its constant rate betrays its callers: see the load of its machine, and its CPU limits',
    look: (evidence) => {
      const found = relays(evidence);
      const off = found.flatMap(([pod, scrapes]) => offRates(pod, scrapes));
      return found.length === 0 ? nothingScraped : none(off, '', `${plural(found.length, 'node')} at a constant rate`);
    },
  },
  {
    name: 'probe-call',
    todo: '',
    look: () => ({ skip: 'calls are not placed yet: npm start places them on a cluster of yours' }),
  },
];

const nothingScraped: Seen = { skip: 'no pod tells its metrics' };

export function verifyZone(evidence: Evidence): Finding[] {
  return checks.map(({ name, todo, look }) => {
    const seen = look(evidence);
    const [[result, text]] = Object.entries(seen) as [[Result, string]];
    return {
      zone: evidence.zone.metadata.name,
      check: name,
      result,
      seen: text,
      todo: result === 'fail' ? todo : '',
    };
  });
}

function none(bad: readonly string[], what: string, good: string): Seen {
  if (bad.length === 0) return { pass: good };
  const list = what === '' ? bad.join('; ') : `${what}: ${bad.join(', ')}`;
  return { fail: list };
}

function withView(look: (view: View, evidence: Evidence) => Seen): Check['look'] {
  return (evidence) => {
    const view = believed(evidence);
    return view ? look(view, evidence) : { skip: 'there is no consensus to be believed' };
  };
}

function withConsensus(look: (own: Consensus, evidence: Evidence) => Seen): Check['look'] {
  return withView(({ own }, evidence) => look(own, evidence));
}

function believed({ view, zone, nowMs }: Evidence): View | undefined {
  const { rootKey } = zone.status ?? {};
  if ('problem' in view || !rootKey) return undefined;
  const verified = verifyView(view.value, Buffer.from(rootKey, 'base64'), zone.metadata.name, nowMs);
  return 'refused' in verified ? undefined : verified;
}

const epochMsOf = ({ host, zone }: Evidence) => (host ?? zone).spec.epochSeconds * 1000;

const isTrue = (
  status: { readonly conditions: readonly { readonly type: string; readonly status: string }[] } | undefined,
  type: string,
) => status?.conditions.some((c) => c.type === type && c.status === 'True') === true;

/** One that drains with permission serves whom it still has. */
const isServing = ({ spec, status }: NodeSlot) => status?.state === 'Active' || (spec.drain && status !== undefined);

function missingOf(regions: Evidence['zone']['spec']['regions'], slots: readonly NodeSlot[]): string[] {
  const here = regions.filter(({ cluster }) => cluster === undefined);
  return here.flatMap(({ name, mixes, rendezvous }) =>
    [['mix', mixes.replicas] as const, ['rendezvous', rendezvous.replicas] as const].flatMap(([role, wanted]) => {
      const there = slots.filter(({ spec }) => spec.region === name && spec.role === role).length;
      return there < wanted ? [`${there} of ${wanted} slots of role ${role} in region ${name}`] : [];
    }),
  );
}

/** Keys that the consensus still has in force long after they should have been succeeded. */
function staleIn(evidence: Evidence): string[] {
  const own = believed(evidence)?.own;
  const { nowMs, zone } = evidence;
  const graceMs = successionEpochs * epochMsOf(evidence);
  const stale = (id: string, kind: 'circuit' | 'link', keys: readonly ScheduledKey[]) => {
    const { from } = inForce(nowMs, keys);
    // 0: from before the directory has heard of the node first.
    const isStale = from > 0 && nowMs - from > durationMs(zone.spec.keyLifetimes[kind]) + graceMs;
    return isStale ? [`${id}: the consensus has a ${kind} key of ${new Date(from).toISOString()} in force`] : [];
  };
  return (own?.nodes ?? []).flatMap(({ id, linkKeys, circuitKeys }) => [
    ...stale(id, 'link', linkKeys),
    ...stale(id, 'circuit', circuitKeys),
  ]);
}

function scraped({ scrapes }: Evidence): [string, readonly Scrape[]][] {
  return [...scrapes].flatMap(([pod, had]) => ('value' in had ? [[pod, had.value]] : []));
}

/** Those that have a data plane. */
const relays = (evidence: Evidence) => {
  const directories = new Set(
    evidence.pods.filter((pod) => isDirectory(evidence.zone, pod)).map((p) => p.metadata.name),
  );
  return scraped(evidence).filter(([pod]) => !directories.has(pod));
};

/** Of the first stretch in which something is off. */
function offRates(pod: string, scrapes: readonly Scrape[]): string[] {
  const stretches = scrapes.slice(1).map((after, i) => stretch(scrapes[i]!, after));
  const numbers = stretches.flatMap(({ perSecond, least }) => [perSecond, least]);
  if (numbers.length === 0 || !numbers.every(Number.isFinite))
    return [`${pod} does not tell what it sends and should send`];
  const off = stretches.map((each) => offIn(pod, each)).find((faults) => faults.length > 0);
  return off ?? changes(pod, stretches);
}

interface Stretch {
  readonly perSecond: number;
  readonly sentPerTick: number;
  readonly lateShare: number;
  /** Of what should be sent in a tick; they differ when clients come or go, or a link. */
  readonly least: number;
  readonly most: number;
}

function stretch(before: Scrape, after: Scrape): Stretch {
  const [a, b] = [before, after].map(
    ({ samples }) =>
      (name: string) =>
        samples.get(name) ?? Number.NaN,
  ) as [Read, Read];
  const grown = (name: string) => b(name) - a(name);
  const ticks = grown('herd_node_ticks_total');
  const seconds = (after.atMs - before.atMs) / 1000;
  const configured = [a, b].map((read) => read('herd_node_configured_datagrams_per_second') / ticksPerSecond);
  return {
    perSecond: ticks / seconds,
    sentPerTick: grown('herd_node_sent_datagrams_total') / ticks,
    // Of the slots that there were: whoever stands still has fewer ticks.
    lateShare: grown('herd_node_late_slots_total') / (ticksPerSecond * seconds),
    least: Math.min(...configured),
    most: Math.max(...configured),
  };
}

type Read = (name: string) => number;

function offIn(pod: string, { perSecond, sentPerTick, lateShare, least, most }: Stretch): string[] {
  const isOff = sentPerTick < least * (1 - rateShareOff) || sentPerTick > most * (1 + rateShareOff);
  const should = least === most ? least.toFixed(2) : `from ${least.toFixed(2)} to ${most.toFixed(2)}`;
  return [
    ...(Math.abs(perSecond / ticksPerSecond - 1) > tickShareOff
      ? [`${pod} ticks ${perSecond.toFixed(1)} times a second, not ${ticksPerSecond}`]
      : []),
    ...(lateShare > lateShareMax ? [`${pod} is late in ${(100 * lateShare).toFixed(1)} % of its slots`] : []),
    ...(isOff ? [`${pod} sends ${sentPerTick.toFixed(2)} datagrams a tick, and should send ${should}`] : []),
  ];
}

/** While what should be sent stays, so does what is sent. */
function changes(pod: string, stretches: readonly Stretch[]): string[] {
  const [first] = stretches;
  if (!stretches.every(({ least, most }) => least === first!.least && most === first!.least)) return [];
  const rates = stretches.map(({ sentPerTick }) => sentPerTick);
  const [least, most] = [Math.min(...rates), Math.max(...rates)];
  if (most - least <= changeShareMax * most) return [];
  return [`${pod} sends ${rates.map((rate) => rate.toFixed(2)).join(', then ')} datagrams a tick`];
}
