/** What is released: its version, what it runs on, its images. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

const file = path.join(import.meta.dirname, '..', 'package.json');
export const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };

/** The Kubernetes minors that tests install the chart on. */
export const kubernetes = { oldest: '1.37', newest: '1.37' } as const;

/** As nodes/Dockerfile and operator/Dockerfile build them. */
export const defaultImages = { image: `herd-operator:${version}`, nodeImage: `herd-node:${version}` };

/** What a kind is, in a few words. */
export const crdDescriptions: Record<string, string> = {
  NodeSlot: 'One node of a zone, made by the operator',
  Superpeer: 'An untrusted relay that a zone admits',
  Zone: 'One provider’s mixes, rendezvous and directory',
};
