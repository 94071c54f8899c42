/** A Zone: one provider's mixes, rendezvous and directory, in one region or several. This schema is the only source of the type, the defaults and the CRD. */
import { z } from 'zod';
import { conditionList } from './conditions.ts';
import {
  dateTime,
  dnsLabel,
  drainDeadlineSeconds,
  duration,
  epochSeconds,
  generation,
  immutable,
  keyStates,
  labelValue,
  network,
  nodeKeyLifetimes,
  nodeResources,
  type ObjectMeta,
  observedGeneration,
  type Parsed,
  parseResource,
  payment,
  placement,
  publicKey,
  regionName,
  regionsNodes,
  rules,
  secretName,
  url,
  zoneName,
} from './fields.ts';

const replicas = () =>
  z
    .object({
      replicas: z.int().min(0).max(64).default(1).meta({ description: 'How many nodes of this role the region has.' }),
    })
    .prefault({});

const OtherCluster = z.object({
  kubeconfigSecretRef: z
    .object({ name: secretName().meta({ description: 'Its name.' }) })
    .meta({ description: 'The Secret of this namespace whose key kubeconfig says where the cluster is.' }),
  namespace: dnsLabel().optional().meta({ description: 'Where in that cluster. Default: as that of the Zone.' }),
});

const Region = z.object({
  name: regionName().meta({ description: 'A part of the names of its nodes.' }),
  cluster: OtherCluster.optional().meta({
    description: 'The other cluster that the region’s nodes are in, run by the operator there.',
  }),
  nodeSelector: regionsNodes(),
  mixes: replicas().meta({ description: 'The zone’s mixes in this region.' }),
  rendezvous: replicas().meta({ description: 'The zone’s rendezvous in this region.' }),
});

const staysInItsCluster = rules({
  rule: 'has(self.cluster) ? has(oldSelf.cluster) && self.cluster == oldSelf.cluster : !has(oldSelf.cluster)',
  message: 'a region stays in its cluster: remove it, and add one of another name',
});

const listMap = (...keys: string[]) => ({
  'x-kubernetes-list-type': 'map',
  'x-kubernetes-list-map-keys': keys,
});

export const ZoneSpec = z.object({
  provider: labelValue().meta({
    description: 'Who runs the zone. Zones of one provider may share a directory.',
    ...immutable('provider'),
  }),
  jurisdiction: z
    .string()
    .min(2)
    .max(6)
    .regex(/^[A-Z]{2}(-[A-Z0-9]{1,3})?$/)
    .meta({ description: 'Whose law the zone is under, such as EU, US or US-CA.', ...immutable('jurisdiction') }),
  regions: z
    .array(Region.meta(staysInItsCluster))
    .min(1)
    .max(16)
    .meta({
      description: 'Where the zone’s nodes are. The first has the directory.',
      ...listMap('name'),
      ...rules(
        {
          rule: 'self.exists(r, !has(r.mixes) || !has(r.mixes.replicas) || r.mixes.replicas > 0)',
          message: 'a zone has at least one mix',
        },
        {
          rule: 'self.exists(r, !has(r.rendezvous) || !has(r.rendezvous.replicas) || r.rendezvous.replicas > 0)',
          message: 'a zone has at least one rendezvous',
        },
      ),
    }),
  placement: placement().meta({ description: 'Which machines the zone’s nodes get.' }),
  network: network().meta({ description: 'How the zone’s nodes are reached.' }),
  resources: nodeResources().meta({
    description: 'What each mix, rendezvous and managed superpeer gets, no less and no more.',
  }),
  directory: z
    .object({
      zoneRef: zoneName().optional().meta({
        description: 'The zone of the same provider whose directory also serves this one. If absent, it runs its own.',
      }),
      externalURL: url()
        .optional()
        .meta({ description: 'Where the own directory is reached from outside of the cluster, if it is.' }),
    })
    .prefault({})
    .meta({
      description: 'Who signs what the zone consists of.',
      ...rules({
        rule: '!has(self.externalURL) || !has(self.zoneRef)',
        message: 'externalURL is of an own directory',
        fieldPath: '.externalURL',
      }),
    }),
  profile: z.enum(['A', 'B']).default('B').meta({ description: 'Cell profile: A carries G.711, B carries Opus.' }),
  clientsPerChannel: z
    .int()
    .min(1)
    .max(100)
    .default(20)
    .meta({ description: 'How many clients share a superpeer channel.' }),
  attachmentsPerClient: z.int().min(1).max(4).default(3).meta({
    description: 'Channels that a client is attached to, each on another superpeer as far as there are some.',
  }),
  assignment: z.enum(['augment', 'ranking', 'random', 'paper']).default('augment').meta({
    description:
      'How calls get their channels. augment moves live calls to make room; paper is the frozen baseline of the 2015 paper: ranking, no moves, no standby mix.',
  }),
  directClients: z
    .int()
    .min(0)
    .max(10000)
    .default(0)
    .meta({ description: 'Clients that each mix takes without a superpeer, where the zone has none.' }),
  chaff: z
    .object({
      cellsPerTick: z
        .int()
        .min(1)
        .max(64)
        .default(2)
        .meta({ description: 'Cells sent each tick on every link between nodes, at least.' }),
      cellsPerTickMax: z.int().min(1).max(64).optional().meta({
        description: 'Rates follow the demand from epoch to epoch up to this. If absent, they are fixed.',
      }),
    })
    .prefault({})
    .meta({
      description: 'The constant rates of the links between nodes.',
      ...rules({
        rule: '!has(self.cellsPerTickMax) || self.cellsPerTickMax >= (has(self.cellsPerTick) ? self.cellsPerTick : 2)',
        message: 'cellsPerTickMax must be at least cellsPerTick',
        fieldPath: '.cellsPerTickMax',
      }),
    }),
  epochSeconds: epochSeconds().meta({ description: 'How long a consensus of the own directory lasts.' }),
  drainDeadlineSeconds: drainDeadlineSeconds(),
  receiptSeconds: z.int().min(60).max(604800).default(86400).meta({
    description: 'How long a period is for which superpeers get receipts. The default is the day in UTC.',
  }),
  superpeerPayment: payment('What the zone’s superpeers earn, if they do not say otherwise.'),
  keyLifetimes: z
    .object({
      ...nodeKeyLifetimes,
      signing: duration('1h', '2160h', '168h', 'How long the key is in force that signs what the directory says.'),
    })
    .prefault({})
    .meta({
      description: 'Schedule of keys that change. The annotation herd.network/rotate makes new ones at its time.',
    }),
  peers: z
    .array(
      z
        .object({
          zone: zoneName().meta({ description: 'Name of a Zone in this namespace, or of another provider’s.' }),
          url: url().optional().meta({ description: 'The other provider’s directory.' }),
          rootKey: publicKey().optional().meta({ description: 'The zone’s root key, told by the provider.' }),
        })
        .meta(rules({ rule: 'has(self.url) == has(self.rootKey)', message: 'url and rootKey go together' })),
    )
    .max(64)
    .default([])
    .meta({ description: 'Zones that this zone links with.', ...listMap('zone') }),
  paused: z
    .boolean()
    .default(false)
    .meta({ description: 'The operator leaves the children of a paused zone as they are.' }),
});
export type ZoneSpec = z.infer<typeof ZoneSpec>;
export type Region = z.infer<typeof Region>;

const count = (nodes: string) =>
  z
    .string()
    .max(16)
    .regex(/^[0-9]+\/[0-9]+$/)
    .meta({ description: `How many ${nodes} are ready, of how many.` });

const ClusterStatus = z.object({
  secret: z.string().max(253).meta({ description: 'The Secret with its kubeconfig.' }),
  namespace: z.string().max(63).meta({ description: 'Where in that cluster.' }),
  reachable: z.boolean().meta({ description: 'Whether it answers.' }),
  reason: z.string().max(64).meta({ description: 'As a reason of the condition ClustersReachable.' }),
  regions: z
    .array(regionName().meta({ description: 'The region’s name.' }))
    .max(64)
    .meta({ description: 'Those of which it may have slots: a cluster is listed until it has none.' }),
});
export type ClusterStatus = z.infer<typeof ClusterStatus>;

export const ZoneStatus = z.object({
  observedGeneration: observedGeneration(),
  conditions: conditionList(),
  rootKey: publicKey()
    .optional()
    .meta({ description: 'The key by which what this zone’s directory says is verified.' }),
  directoryURL: z
    .string()
    .max(256)
    .optional()
    .meta({ description: 'Where what the zone consists of can be asked for.' }),
  epoch: generation().optional().meta({ description: 'Epoch of the consensus that the operator last verified.' }),
  meshRates: z
    .array(
      z.object({
        zone: zoneName().meta({ description: 'The zone that the links lead to.' }),
        cellsPerTick: z.int().min(1).max(64).meta({ description: 'Cells in each tick, each way.' }),
        since: dateTime().meta({ description: 'Start of the epoch from which on it is in force.' }),
      }),
    )
    .max(65)
    .optional()
    .meta({
      description:
        'What each link to a zone carries, its own among them, as the consensus says; else chaff.cellsPerTick.',
      ...listMap('zone'),
    }),
  mixesReady: count('mixes'),
  rendezvousReady: count('rendezvous'),
  superpeersReady: count('superpeers'),
  keys: keyStates().optional().meta({ description: 'The keys that sign what the directory says of this zone.' }),
  clusters: z
    .array(ClusterStatus)
    .max(64)
    .optional()
    .meta({ description: 'The other clusters of the zone.', ...listMap('secret', 'namespace') }),
});
export type ZoneStatus = z.infer<typeof ZoneStatus>;

export interface Zone {
  readonly metadata: ObjectMeta;
  readonly spec: ZoneSpec;
  readonly status: ZoneStatus | undefined;
}

/** Rules over the whole object, where metadata.name can be seen. */
export const zoneRules = rules(
  {
    rule: "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$')",
    message: 'metadata.name must be a DNS label of at most 20 characters that starts with a letter',
  },
  {
    rule: "!has(self.spec.assignment) || self.spec.assignment != 'paper' || (has(self.spec.profile) && self.spec.profile == 'A' && has(self.spec.attachmentsPerClient) && self.spec.attachmentsPerClient in [2, 3])",
    message: 'assignment paper needs profile A and attachmentsPerClient 2 or 3',
    fieldPath: '.spec.assignment',
  },
  {
    rule: '!has(self.spec.peers) || self.spec.peers.all(p, p.zone != self.metadata.name)',
    message: 'a zone does not peer with itself',
    fieldPath: '.spec.peers',
  },
  {
    rule: '!has(self.spec.regions[0].cluster) || (has(self.spec.directory) && has(self.spec.directory.zoneRef))',
    message: 'the first region has the directory, which is in the cluster of the Zone',
    fieldPath: '.spec.regions',
  },
  {
    rule: '!self.spec.regions.exists(r, has(r.cluster)) || (has(self.spec.directory) && (has(self.spec.directory.zoneRef) || has(self.spec.directory.externalURL)))',
    message: 'nodes in another cluster need directory.externalURL',
    fieldPath: '.spec.directory',
  },
  {
    rule: '!has(self.spec.directory) || !has(self.spec.directory.zoneRef) || self.spec.directory.zoneRef != self.metadata.name',
    message: 'zoneRef must name another zone',
    fieldPath: '.spec.directory',
  },
);

export const parseZone = (raw: object): Parsed<Zone> => parseResource(raw, ZoneSpec, ZoneStatus);
