/** The values of the chart: the only source of values.yaml and values.schema.json. Unknown ones are refused. */
import { z } from 'zod';
import { defaultOptions } from '../monitoring/rules.ts';
import { installObjects } from '../operator/install.ts';
import { monitoring } from './monitoring.ts';
import { defaultImages } from './release.ts';

const image = () =>
  z
    .string()
    .max(512)
    .regex(/^[^\s]+$/);
const name = () =>
  z
    .string()
    .max(63)
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/);
const texts = () => z.record(z.string(), z.string());
const amounts = () => z.record(z.string(), z.union([z.string(), z.number()])).optional();
const enabled = (description: string, byDefault: boolean) =>
  z.strictObject({ enabled: z.boolean().default(byDefault).meta({ description }) }).prefault({});

const toleration = z.strictObject({
  key: z.string().optional(),
  operator: z.enum(['Exists', 'Equal']).optional(),
  value: z.string().optional(),
  effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
  tolerationSeconds: z.int().optional(),
});

/** As nodes/config/node.ts has it, but for what only a schema of values can't say. */
const probe = z.strictObject({
  name: name().max(50),
  zone: name(),
  directory: z.strictObject({
    url: z.string().regex(/^https?:\/\/\S+$/),
    rootKey: z.string().regex(/^[A-Za-z0-9+/]{43}=$/),
  }),
  identitySecret: z.string().min(1).max(253),
  nodeSelector: texts().default({}),
  calls: z
    .strictObject({
      contact: z
        .string()
        .max(256)
        .regex(/^herd:/),
      everySeconds: z.int().min(10).max(3600),
      callSeconds: z.int().min(1).max(60),
    })
    .optional(),
});

const switches = Object.fromEntries(
  Object.entries(monitoring).map(([what, objects]) => {
    const kinds = [...new Set(objects.map(({ kind }) => kind))].join(', ');
    return [what, enabled(`Install ${kinds}; the cluster must know the kind.`, false)];
  }),
);

export const Values = z.strictObject({
  image: image().default(defaultImages.image).meta({ description: 'The operator’s image, best with its digest.' }),
  nodeImage: image()
    .default(defaultImages.nodeImage)
    .meta({ description: 'The image of all nodes. Another one rolls them, one of a zone at a time, as calls end.' }),
  imagePullSecrets: z
    .array(z.strictObject({ name: z.string() }))
    .max(16)
    .default([])
    .meta({ description: 'Secrets of the operator’s namespace to pull its image with.' }),
  namespaces: z.array(name()).max(64).default([]).meta({
    description:
      'Namespaces to watch, which must exist; none: all. With some named, the operator may see nothing of the others but which machines are cordoned.',
  }),
  replicas: z.int().min(1).max(5).default(1).meta({
    description: 'Operators. One leads, the others stand by; with more than one they get a PodDisruptionBudget.',
  }),
  resources: z
    .strictObject({ requests: amounts(), limits: amounts() })
    .default(operatorResources())
    .meta({ description: 'Of the operator.' }),
  nodeSelector: texts().default({}).meta({ description: 'Machines that the operator may run on, by label.' }),
  tolerations: z.array(toleration).max(64).default([]).meta({ description: 'Taints that the operator tolerates.' }),
  affinity: z.looseObject({}).default({}).meta({ description: 'Where the operator had better run, as in a pod.' }),
  podAnnotations: texts().default({}).meta({ description: 'Annotations of the operator’s pods.' }),
  crds: enabled(
    'Install the CustomResourceDefinitions with this chart. Off when the chart herd-crds has them. They are kept at uninstall either way.',
    true,
  ),
  monitoring: z
    .strictObject({
      labels: texts().default({}).meta({
        description: 'Labels by which your Prometheus finds monitoring objects, such as release: prometheus.',
      }),
      runbooks: z
        .string()
        .max(512)
        .regex(/^https?:\/\/\S+\/$/)
        .default(defaultOptions.runbooks)
        .meta({
          description: 'Where docs/runbooks of this version can be read, with a slash at the end; alerts link there.',
        }),
      ...switches,
    })
    .prefault({}),
  probes: z.array(probe).max(64).default([]).meta({
    description:
      'Clients that nobody talks over, one Deployment each: one with `calls` calls that contact at intervals, and its metrics tell how calls go; one without answers. README.md says how they find each other.',
  }),
  global: z.looseObject({}).optional().meta({ description: 'Of charts that contain this one; not read.' }),
});

/** What installObjects gives the operator. */
function operatorResources() {
  const objects = installObjects({ ...defaultImages, namespaces: [] });
  const deployment = objects.find(({ kind }) => kind === 'Deployment') as unknown as {
    spec: { template: { spec: { containers: { resources: Record<string, Record<string, string>> }[] } } };
  };
  return deployment.spec.template.spec.containers[0]!.resources;
}
