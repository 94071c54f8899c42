import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import type { V1PodTemplateSpec } from '@kubernetes/client-node';
import { root } from '../../../monitoring/main.ts';
import {
  dashboardConfigMaps,
  monitors,
  nodeMonitor,
  operatorMonitor,
  probeMonitor,
  prometheusRule,
} from '../../../monitoring/objects.ts';
import { probeObjects } from '../../../monitoring/probe.ts';
import { printContact } from '../../../nodes/config/contact.ts';
import { clientConfig, parseConfig } from '../../../nodes/config/node.ts';
import { Identity } from '../../../nodes/crypto/keys.ts';
import { installObjects } from '../../../operator/install.ts';
import type { Manifest } from '../../../operator/kube/types.ts';
import { directoryObjects } from '../../../operator/objects/directory.ts';
import { slotObjects } from '../../../operator/objects/slot.ts';
import { directory, key, slot, zone } from '../operator/samples.ts';
import { promtool, withFiles, withoutPromtool } from './promtool.ts';

interface Selecting {
  readonly selector: { readonly matchLabels: Record<string, string> };
  readonly podMetricsEndpoints?: readonly { readonly port: string; readonly interval: string }[];
  readonly endpoints?: readonly { readonly port: string; readonly interval: string }[];
}

const selects = ({ selector }: Selecting, labels: Readonly<Record<string, string>> | undefined) =>
  Object.entries(selector.matchLabels).every(([name, value]) => labels?.[name] === value);

test('the PodMonitor finds the pods of every role, and the port where they tell', () => {
  const image = 'herd.local/node:test';
  const ports = { cells: 21007, metrics: 21507 };
  const of = (role: 'mix' | 'rendezvous' | 'superpeer') =>
    slotObjects({ slot: slot(`eu-${role}`, role), identityKey: key('a'), directory, ports, image }).statefulSet;
  const sets = [
    of('mix'),
    of('rendezvous'),
    of('superpeer'),
    directoryObjects({ zone: zone('eu'), id: 'eu-directory-0', served: [], rootKeys: [], image }).statefulSet,
  ];
  const spec = nodeMonitor.spec as Selecting;
  for (const { spec: set } of sets) {
    assert(selects(spec, set.template.metadata!.labels));
    const names = set.template.spec!.containers[0]!.ports!.map(({ name }) => name);
    for (const { port } of spec.podMetricsEndpoints!) assert(names.includes(port), port);
  }
});

test('a probe is found by its own PodMonitor alone, its file is a client’s, and another file starts it anew', () => {
  const contact = printContact('na', new Identity(Buffer.alloc(32, 1)).publicKey);
  const objects = (everySeconds: number) =>
    probeObjects({
      name: 'eu-na',
      namespace: 'herd-system',
      image: 'herd.local/node:test',
      zone: 'eu',
      directory: { url: 'http://directory.eu:8080', rootKey: Buffer.alloc(32).toString('base64') },
      identitySecret: 'eu-na',
      nodeSelector: {},
      calls: { contact, everySeconds, callSeconds: 8 },
    });
  const [file, deployment] = objects(60);
  const text = Object.values(file.data)[0] as string;
  assert.equal(parseConfig(clientConfig, text, 'node.json').probe!.contact, contact);
  const { template } = deployment.spec as { template: V1PodTemplateSpec };
  const found = monitors.filter(({ spec }) => selects(spec, template.metadata!.labels));
  assert.deepEqual(found, [probeMonitor]);
  const ports = template.spec!.containers[0]!.ports!.map(({ name }) => name);
  for (const { port } of probeMonitor.spec.podMetricsEndpoints!) assert(ports.includes(port), port);
  const [again, other] = [60, 61].map((seconds) => JSON.stringify(objects(seconds)[1]));
  assert.equal(JSON.stringify(deployment), again);
  assert.notEqual(again, other);
});

test('the ServiceMonitor finds the operator’s Service alone, and the port where it tells', () => {
  const objects = installObjects({ image: 'a', nodeImage: 'b', namespaces: [] });
  const services = objects.filter(({ kind }) => kind === 'Service') as (Manifest & {
    spec: { ports: { name: string }[] };
  })[];
  const spec = operatorMonitor.spec as Selecting;
  const found = services.filter(({ metadata }) => selects(spec, metadata.labels));
  assert.deepEqual(
    found.map(({ metadata }) => metadata.name),
    ['herd-operator'],
  );
  assert.deepEqual(
    found[0]!.spec.ports.map(({ name }) => name),
    spec.endpoints!.map(({ port }) => port),
  );
});

test('nobody is read more often than once a minute', () => {
  for (const { spec } of monitors) {
    const { podMetricsEndpoints = [], endpoints = [] } = spec as Selecting;
    for (const { interval } of [...podMetricsEndpoints, ...endpoints]) assert.equal(interval, '60s');
  }
});

test('the PrometheusRule has rules that promtool takes', { skip: withoutPromtool }, () => {
  withFiles({ 'rules.yaml': JSON.stringify(prometheusRule().spec) }, (folder) =>
    promtool(['check', 'rules', path.join(folder, 'rules.yaml')]),
  );
});

test('each dashboard is in a ConfigMap of its own, as it is imported, and Grafana finds it', () => {
  for (const { metadata, data } of dashboardConfigMaps()) {
    assert.equal(metadata.labels!.grafana_dashboard, '1');
    const [[file, text], ...others] = Object.entries(data) as [string, string][];
    assert.deepEqual(others, []);
    const committed = readFileSync(path.join(root, 'monitoring', 'dist', 'dashboards', file!), 'utf8');
    assert.deepEqual(JSON.parse(text!), JSON.parse(committed));
    // kubectl apply keeps a copy in an annotation, of which all together have 256 KiB.
    assert(text!.length < 200_000, file);
  }
});
