/** What is released: its version, what it runs on, its images. */
import { readFileSync } from 'node:fs';
import path from 'node:path';

const file = path.join(import.meta.dirname, '..', 'package.json');
export const { version } = JSON.parse(readFileSync(file, 'utf8')) as { version: string };

/** The Kubernetes minors that tests install the chart on. */
export const kubernetes = { oldest: '1.37', newest: '1.37' } as const;

/** As nodes/Dockerfile and operator/Dockerfile build them. */
export const defaultImages = { image: `herd-operator:${version}`, nodeImage: `herd-node:${version}` };
