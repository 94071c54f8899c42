/** A Zone: one provider's mixes, rendezvous and directory in one region. This schema is the only source of the type, the defaults and the CRD. */
import { z } from 'zod';
import { conditionList } from './conditions.ts';
import {
  generation,
  labelValue,
  type ObjectMeta,
  type Parsed,
  parseResource,
  publicKey,
  rules,
  zoneName,
} from './fields.ts';

const immutable = (field: string) => rules({ rule: 'self == oldSelf', message: `${field} is immutable` });

const replicas = () =>
  z.int().min(1).max(64).default(1).meta({ description: 'How many nodes of this role the zone runs.' });

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
  region: labelValue().meta({
    description: 'Value of the node label topology.kubernetes.io/region that the pods run on.',
  }),
  mixes: z.object({ replicas: replicas() }).prefault({}).meta({ description: 'The zone’s mixes.' }),
  rendezvous: z.object({ replicas: replicas() }).prefault({}).meta({ description: 'The zone’s rendezvous.' }),
  directory: z
    .object({
      replicas: z.int().min(1).max(1).optional().meta({ description: 'The zone runs its own directory.' }),
      zoneRef: zoneName().optional().meta({ description: 'The zone whose directory also serves this one.' }),
    })
    .default({ replicas: 1 })
    .meta({
      description:
        'Either replicas (an own directory) or zoneRef (the directory of another zone of the same provider).',
      ...rules({
        rule: 'has(self.replicas) != has(self.zoneRef)',
        message: 'exactly one of replicas and zoneRef must be set',
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
  meshCellsPerTick: z
    .int()
    .min(1)
    .max(64)
    .default(2)
    .meta({ description: 'Cells sent each tick on every link between nodes.' }),
  epochSeconds: z
    .int()
    .min(60)
    .max(86400)
    .default(900)
    .meta({ description: 'How long a consensus of the own directory lasts.' }),
  peers: z
    .array(z.object({ zone: zoneName().meta({ description: 'Name of a Zone in this namespace.' }) }))
    .max(64)
    .default([])
    .meta({
      description: 'Zones that this zone links with.',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['zone'],
    }),
  paused: z
    .boolean()
    .default(false)
    .meta({ description: 'The operator leaves the children of a paused zone as they are.' }),
});
export type ZoneSpec = z.infer<typeof ZoneSpec>;

const PublishedNode = z.object({
  id: z.string().max(63),
  role: z.enum(['mix', 'rendezvous']),
  identityKey: publicKey(),
  registered: z.boolean().meta({ description: 'The node is in the consensus that the operator last verified.' }),
});
export type PublishedNode = z.infer<typeof PublishedNode>;

const count = () =>
  z
    .string()
    .max(16)
    .regex(/^[0-9]+\/[0-9]+$/);

export const ZoneStatus = z.object({
  observedGeneration: generation(),
  conditions: conditionList(),
  rootKey: publicKey().optional().meta({ description: 'The key that signs this zone’s consensus.' }),
  directoryURL: z.string().max(128).optional(),
  epoch: generation().optional().meta({ description: 'Epoch of the consensus that the operator last verified.' }),
  mixesReady: count(),
  rendezvousReady: count(),
  superpeersReady: count(),
  nodes: z
    .array(PublishedNode)
    .max(128)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['id'] }),
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
    rule: "self.metadata.name.matches('^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$')",
    message: 'metadata.name must be a DNS label of at most 32 characters that starts with a letter',
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
    rule: '!has(self.spec.directory) || !has(self.spec.directory.zoneRef) || self.spec.directory.zoneRef != self.metadata.name',
    message: 'zoneRef must name another zone',
    fieldPath: '.spec.directory',
  },
);

export const parseZone = (raw: object): Parsed<Zone> => parseResource(raw, ZoneSpec, ZoneStatus);
