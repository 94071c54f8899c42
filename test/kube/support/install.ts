/** Brings what install.ts makes into a cluster, the way `kubectl apply --server-side` does; and a namespace to work in. */
import { installObjects } from '../../../operator/install.ts';
import type { KubeClient } from '../../../operator/kube/client.ts';
import { type CustomResource, type Manifest, type Resource, zones } from '../../../operator/kube/types.ts';
import { eventually } from './control-plane.ts';

const plurals: Record<string, string> = {
  ClusterRole: 'clusterroles',
  ClusterRoleBinding: 'clusterrolebindings',
  ConfigMap: 'configmaps',
  CustomResourceDefinition: 'customresourcedefinitions',
  Deployment: 'deployments',
  Namespace: 'namespaces',
  NetworkPolicy: 'networkpolicies',
  Node: 'nodes',
  NodeSlot: 'nodeslots',
  Role: 'roles',
  RoleBinding: 'rolebindings',
  Secret: 'secrets',
  Service: 'services',
  ServiceAccount: 'serviceaccounts',
  Superpeer: 'superpeers',
  ValidatingAdmissionPolicy: 'validatingadmissionpolicies',
  ValidatingAdmissionPolicyBinding: 'validatingadmissionpolicybindings',
  Zone: 'zones',
};

export function resourceOf({ apiVersion, kind }: Manifest): Resource<CustomResource> {
  const [version, group] = apiVersion.split('/').reverse();
  return { group: group ?? '', version: version!, plural: plurals[kind]!, kind };
}

export const apply = (admin: KubeClient, manifest: Manifest) => admin.apply(resourceOf(manifest), manifest, 'test');

export async function install(admin: KubeClient, namespace: string): Promise<void> {
  const objects = installObjects({
    image: 'herd.local/operator:test',
    nodeImage: 'herd.local/node:test',
    namespaces: [],
  });
  for (const object of objects) await apply(admin, object);
  await apply(admin, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
  await eventually(() => admin.list(zones), 'the Zone API');
}
