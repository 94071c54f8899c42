/** Where the operator runs, and what it gives the nodes to run. */

import { labels, operatorNamespace } from '../operator/install.ts';
import type { KubeClient } from '../operator/kube/client.ts';
import { ApiError } from '../operator/kube/errors.ts';
import { type Deployment, deployments } from './resources.ts';

export const operatorSelector = Object.entries(labels)
  .map(([name, value]) => `${name}=${value}`)
  .join(',');

export interface Operator {
  readonly namespace: string;
  readonly deployment: Deployment;
  /** The image that all nodes run. */
  readonly nodeImage: string | undefined;
}

/** undefined: there is none, or none that may be seen. */
export async function findOperator(client: KubeClient): Promise<Operator | undefined> {
  const [deployment] = await deploymentsOf(client);
  if (!deployment) return undefined;
  const env = deployment.spec?.template?.spec?.containers?.flatMap((container) => container.env ?? []) ?? [];
  const nodeImage = env.find(({ name }) => name === 'HERD_NODE_IMAGE')?.value;
  return { namespace: deployment.metadata.namespace!, deployment, nodeImage };
}

async function deploymentsOf(client: KubeClient): Promise<Deployment[]> {
  const labelSelector = operatorSelector;
  try {
    return (await client.list(deployments, { labelSelector })).items;
  } catch (error) {
    // Who may not look everywhere sees it where it is installed if nothing else is said.
    if (!(error instanceof ApiError && error.code === 403)) throw error;
    return (await client.list(deployments, { labelSelector, namespace: operatorNamespace })).items;
  }
}
