/**
 * Everything that is written from the objects of operator/install.ts, as texts by path: manifests/dist for kubectl,
 * docs/reference for people, and what the charts have of them. The charts' own templates only place these objects and change what the values say.
 */
import { ApiObject, type ApiObjectProps, App, Chart, Yaml } from 'cdk8s';
import { z } from 'zod';
import { type Probe, probeObjects } from '../monitoring/probe.ts';
import { customResourceDefinitions } from '../operator/api/schema.ts';
import { installObjects, operatorNamespace, selfcheckObjects, watchedRoles } from '../operator/install.ts';
import type { Manifest } from '../operator/kube/types.ts';
import { monitoring } from './monitoring.ts';
import { referencePages } from './reference.ts';
import { crdDescriptions, defaultImages, kubernetes, version } from './release.ts';
import { sampleObjects } from './samples.ts';
import { Values } from './values.ts';

/** Where everything in a folder is ours: a file there that is not written any more is old. */
export const wholeFolders = ['manifests/dist', 'charts/herd/objects', 'docs/reference'];

const header = '# Written by `npm run manifests`; edit what it is written from.\n';
const yaml = (content: object) => header + Yaml.stringify(plain(content));
/** Without what two places share: YAML would make anchors of it. */
const plain = <T>(content: T): T => JSON.parse(JSON.stringify(content));

export function generatedFiles(): ReadonlyMap<string, string> {
  const operatorObjects = installed().filter(({ kind }) => kind !== 'CustomResourceDefinition' && kind !== 'Namespace');
  const watched = watchedRoles([]).map(keyOf);
  return new Map([
    ['manifests/dist/herd.yaml', manifest('herd', installed())],
    ['manifests/dist/selfcheck.yaml', manifest('selfcheck', selfcheckObjects(defaultImages.image))],
    ['manifests/dist/monitoring.yaml', manifest('monitoring', Object.values(monitoring).flat())],
    ['manifests/dist/samples.yaml', manifest('samples', sampleObjects())],

    ['charts/herd-crds/Chart.yaml', yaml(crdsChart())],
    ['charts/herd-crds/values.yaml', `${header}{}\n`],
    ['charts/herd-crds/values.schema.json', jsonSchema(z.strictObject({ global: z.looseObject({}).optional() }))],
    ['charts/herd-crds/templates/crds.yaml', header + definitions()],

    ['charts/herd/Chart.yaml', yaml(herdChart())],
    ['charts/herd/values.yaml', header + valuesFile()],
    ['charts/herd/values.schema.json', jsonSchema(Values)],
    ['charts/herd/templates/crds.yaml', `${header}{{- if .Values.crds.enabled }}\n---\n${definitions()}{{- end }}\n`],
    [
      'charts/herd/objects/operator.yaml',
      yaml({ items: operatorObjects.filter((object) => !watched.includes(keyOf(object))) }),
    ],
    ['charts/herd/objects/watched.yaml', yaml({ everywhere: watchedRoles([]), namespace: watchedRoles(['']) })],
    ['charts/herd/objects/monitoring.yaml', yaml(monitoring)],
    ['charts/herd/objects/probe.yaml', yaml({ items: probeObjects(placeholder) })],
    ['charts/herd/objects/selfcheck.yaml', yaml({ items: selfcheckObjects(defaultImages.image) })],
    ...referencePages(),
  ]);
}

/** Of which the chart's template changes what a value of `probes` says. */
const placeholder: Probe = {
  name: 'name',
  namespace: operatorNamespace,
  image: defaultImages.nodeImage,
  zone: 'zone',
  directory: { url: '', rootKey: '' },
  identitySecret: 'name',
  nodeSelector: {},
  calls: undefined,
};

const installed = () => installObjects({ ...defaultImages, namespaces: [] });
const keyOf = ({ kind, metadata }: Manifest) => `${kind} ${metadata.namespace ?? ''} ${metadata.name}`;

/** By cdk8s, which orders keys, writes YAML that YAML 1.1 reads alike, and refuses an object that is there twice. */
function manifest(name: string, objects: readonly Manifest[]): string {
  const app = new App();
  const chart = new Chart(app, name);
  for (const object of plain(objects)) new ApiObject(chart, keyOf(object), object as ApiObjectProps);
  return header + app.synthYaml();
}

/** For a chart's templates: Helm never upgrades what is in a folder crds/, and must not remove what all Zones hang on. */
function definitions(): string {
  const kept = customResourceDefinitions().map((definition) => ({
    ...definition,
    metadata: { ...definition.metadata, annotations: { 'helm.sh/resource-policy': 'keep' } },
  }));
  const text = manifest('crds', kept).slice(header.length);
  if (text.includes('{{')) throw new Error('a definition has text that Helm takes for a template');
  return text;
}

const common = {
  apiVersion: 'v2',
  type: 'application',
  version,
  appVersion: version,
  kubeVersion: `>=${kubernetes.oldest}.0-0`,
};

const annotations = {
  'artifacthub.io/license': 'Apache-2.0',
  'artifacthub.io/category': 'networking',
  'artifacthub.io/prerelease': 'true',
};

function herdChart(): object {
  const crds = customResourceDefinitions().map(({ metadata, spec }) => ({
    kind: spec.names.kind,
    version: spec.versions[0]!.name,
    name: metadata.name,
    displayName: spec.names.kind,
    description: crdDescriptions[spec.names.kind],
  }));
  const examples = sampleObjects().filter(({ kind }) => kind !== 'Namespace');
  return {
    ...common,
    name: 'herd',
    description: 'The operator of Herd, an anonymity network for voice calls',
    keywords: ['anonymity', 'voip', 'mixnet', 'operator'],
    annotations: {
      ...annotations,
      'artifacthub.io/operator': 'true',
      'artifacthub.io/operatorCapabilities': 'Seamless Upgrades',
      'artifacthub.io/crds': Yaml.stringify(crds),
      'artifacthub.io/crdsExamples': Yaml.stringify(plain(examples)),
    },
  };
}

function crdsChart(): object {
  return {
    ...common,
    name: 'herd-crds',
    description: 'The CustomResourceDefinitions of Herd, to be installed and upgraded before the chart herd',
    annotations,
  };
}

interface Described {
  readonly description?: string;
  readonly properties?: Record<string, Described>;
}

const schemaOf = (values: z.ZodType) => z.toJSONSchema(values, { target: 'draft-7', io: 'input' });
const jsonSchema = (values: z.ZodType) => `${JSON.stringify(schemaOf(values), null, 2)}\n`;

/** Every value with its default, and above it what it says. */
function valuesFile(): string {
  return described(schemaOf(Values) as Described, Values.parse({}), '').trimStart();
}

function described(schema: Described, defaults: Record<string, unknown>, indent: string): string {
  const entries = Object.entries(schema.properties ?? {}).filter(([name]) => defaults[name] !== undefined);
  return entries
    .map(([name, child]) => {
      const comment = child.description ? `\n${indent}# ${child.description}\n` : '\n';
      const value = defaults[name];
      if (child.properties && !child.description)
        return `${comment}${indent}${name}:${described(child, value as Record<string, unknown>, `${indent}  `)}`;
      const text = Yaml.stringify(plain({ [name]: value }));
      return comment + text.replace(/^(?=.)/gm, indent);
    })
    .join('');
}
