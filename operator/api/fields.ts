/** The field types that Zone and Superpeer share, each bounded so that the CEL cost of a rule stays small. */
import { z } from 'zod';

export const group = 'herd.network';
export const version = 'v1alpha1';
export const apiVersion = `${group}/${version}`;

export interface Rule {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
}

/** Attaches CEL rules: the schema emitter copies them into the CRD, where the API server enforces them. */
export const rules = (...list: Rule[]) => ({ 'x-kubernetes-validations': list });

export const immutable = (field: string) => rules({ rule: 'self == oldSelf', message: `${field} is immutable` });

/**
 * Zone and region names are the front of the names of slots, ZONE-REGION-rendezvous-63, which are those of StatefulSets:
 * at most 52 characters, since a pod's label holds the name and a hash.
 */
export const zoneName = () =>
  z
    .string()
    .min(1)
    .max(20)
    .regex(/^[a-z]([-a-z0-9]{0,18}[a-z0-9])?$/);
export const regionName = () =>
  z
    .string()
    .min(1)
    .max(17)
    .regex(/^[a-z]([-a-z0-9]{0,15}[a-z0-9])?$/);

/** Of a namespace, and of the names of most things: a DNS label. */
export const dnsLabel = () =>
  z
    .string()
    .min(1)
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);

/** Of a Secret: DNS labels with dots between. */
export const secretName = () =>
  z
    .string()
    .min(1)
    .max(253)
    .regex(/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/);

/** A value that fits a Kubernetes label. */
export const labelValue = () =>
  z
    .string()
    .min(1)
    .max(63)
    .regex(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/);

/** Labels that a Kubernetes node must have. */
export const nodeSelector = (description: string) =>
  z.record(z.string(), z.string().max(63)).meta({ maxProperties: 8, description });

/** Where no nodeSelector is given (objects/labels.ts, regionSelector). */
export const regionsNodes = () =>
  nodeSelector('Default: topology.kubernetes.io/region is the region’s name.').optional();

export const url = () =>
  z
    .string()
    .min(8)
    .max(256)
    .regex(/^https?:\/\/[^\s/]+$/);

/** Base64 of 32 bytes: an Ed25519 public key. */
export const publicKey = () =>
  z
    .string()
    .max(44)
    .regex(/^[A-Za-z0-9+/]{43}=$/);

/** A length of time in hours, minutes and seconds, such as 720h or 1h30m, within bounds of the same form. */
export const duration = (least: string, most: string, preset: string, description: string) =>
  z
    .string()
    .max(16)
    .regex(/^([0-9]+h)?([0-9]+m)?([0-9]+s)?$/)
    .default(preset)
    .meta({
      description: `${description} From ${least} to ${most}.`,
      ...rules({
        rule: `self != '' && duration(self) >= duration('${least}') && duration(self) <= duration('${most}')`,
        message: `must be from ${least} to ${most}`,
      }),
    });

/** @param text as the schema's pattern has it */
export function durationMs(text: string): number {
  const [, hours = '0', minutes = '0', seconds = '0'] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(text) ?? [];
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
}

/** How long the keys of a node are in force, as a Zone says and its slots are told. */
export const nodeKeyLifetimes = {
  link: duration('1h', '8760h', '720h', 'How long a node’s link key is in force.'),
  circuit: duration('1h', '720h', '24h', 'How long a node’s circuit key is in force.'),
};

export const epochSeconds = () => z.int().min(60).max(86400).default(900);

export const drainDeadlineSeconds = () =>
  z
    .int()
    .min(30)
    .max(86400)
    .default(1800)
    .meta({ description: 'A node that drains is ended after this time whatever rides on it.' });

/** Which machines nodes of a zone get, as a Zone says and its slots are told. */
export const placement = () =>
  z
    .object({
      layers: z.enum(['Separate', 'Together']).default('Separate').meta({
        description:
          'Whether a mix, a rendezvous and a superpeer of the zone may be on one machine, whose holder then sees what they hide from each other. Together is for trials.',
      }),
      rendezvousSpread: z.enum(['Preferred', 'Required']).default('Preferred').meta({
        description:
          'Whether rendezvous of a region must be spread evenly over topology.kubernetes.io/zone. Required needs that label on all of the region’s machines.',
      }),
    })
    .prefault({});
export type Placement = z.infer<ReturnType<typeof placement>>;

/** How nodes of a zone are reached, as a Zone says and its slots are told. */
export const network = () =>
  z
    .object({
      mode: z.enum(['Host', 'Pod']).default('Host').meta({
        description:
          'Host: nodes are in the network of their machine, without address translation, each at ports of its own. Pod: they have addresses of the pod network, for clusters that give no leave for the other.',
      }),
      ports: z
        .object({
          first: z.int().min(1024).max(29998).default(21000).meta({ description: 'The first port.' }),
          count: z
            .int()
            .min(1)
            .max(4096)
            .default(500)
            .meta({ description: 'How many for cells, and as many for metrics.' }),
        })
        .prefault({ first: 21000, count: 500 })
        .meta({
          description:
            'Ports of nodes in mode Host. From first on, count ports are for cells; the next count are for metrics. As many nodes fit on the machines of a region.',
          ...rules({
            rule: 'self.first + 2 * self.count <= 30000',
            message: 'first + 2 · count must be at most 30000, where the ports of Services begin',
          }),
        }),
      addresses: z.enum(['Public', 'Private']).default('Public').meta({
        description:
          'Where a node in mode Host is reached. Public: where its machine’s annotation herd.network/public-address says, or else at its ExternalIP. Private: or else at its InternalIP, for networks that all parties are in.',
      }),
    })
    .prefault({});
export type Network = z.infer<ReturnType<typeof network>>;

/**
 * What each node gets, no less and no more: what its neighbours do then shows in none of its packets. The patterns take
 * quantities in the form alone in which the API server gives them back.
 */
export const nodeResources = () =>
  z
    .object({
      cpu: z
        .string()
        .max(6)
        .regex(/^([1-9][0-9]?|([1-9][0-9]?)?[1-9]00m)$/)
        .default('1')
        .meta({ description: 'Processors of a node, such as 1 or 500m: a whole number can be had for itself alone.' }),
      memory: z
        .string()
        .max(5)
        .regex(/^([1-9][0-9]{2}Mi|[1-9][0-9]?Gi)$/)
        .default('256Mi')
        .meta({ description: 'Memory of a node, from 100Mi to 99Gi.' }),
    })
    .prefault({});
export type NodeResources = z.infer<ReturnType<typeof nodeResources>>;

/** What a superpeer earns; an amount that a float could not hold is none that is computed with floats. */
export const payment = (description: string) =>
  z
    .object({
      amount: z
        .string()
        .max(19)
        .regex(/^[0-9]{1,9}(\.[0-9]{1,9})?$/)
        .meta({ description: 'A decimal number, such as 0.002.' }),
      currency: z
        .string()
        .max(5)
        .regex(/^[A-Z]{3,5}$/)
        .meta({ description: 'As in ISO 4217, such as EUR.' }),
      per: z.enum(['channel-hour']).default('channel-hour').meta({ description: '180000 rounds.' }),
    })
    .optional()
    .meta({ description });
export type Payment = NonNullable<z.infer<ReturnType<typeof payment>>>;

export const dateTime = () => z.string().max(32).meta({ format: 'date-time' });

/** What a status tells of keys that change: never of their bytes. */
export const keyStates = () =>
  z
    .array(
      z.object({
        name: z.string().max(32).meta({ description: 'What it is for, and its number.' }),
        made: dateTime().meta({ description: 'When it was made.' }),
        expires: dateTime().meta({ description: 'When its successor is made.' }),
      }),
    )
    .max(8)
    .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] });
export type KeyState = z.infer<ReturnType<typeof keyStates>>[number];

export const generation = () => z.int().min(0).max(Number.MAX_SAFE_INTEGER);
export const observedGeneration = () =>
  generation().meta({ description: 'The metadata.generation that this was said of.' });

export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly generation: number;
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly finalizers?: readonly string[];
}

export type Parsed<T> = { ok: true; value: T } | { ok: false; problems: string[] };

/**
 * Reads a custom resource as the API server serves it. All problems are reported at once, each with its field.
 * The status is read leniently: one that this version can't read counts as not published yet.
 */
export function parseResource<Spec, Status>(
  raw: { metadata?: object; spec?: unknown; status?: unknown },
  spec: z.ZodType<Spec>,
  status: z.ZodType<Status>,
): Parsed<{ metadata: ObjectMeta; spec: Spec; status: Status | undefined }> {
  const parsed = spec.safeParse(raw.spec);
  if (!parsed.success) {
    return { ok: false, problems: parsed.error.issues.map((i) => `${['spec', ...i.path].join('.')}: ${i.message}`) };
  }
  const seen = status.safeParse(raw.status);
  const metadata = raw.metadata as ObjectMeta;
  return { ok: true, value: { metadata, spec: parsed.data, status: seen.success ? seen.data : undefined } };
}
