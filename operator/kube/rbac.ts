/** What the operator may do, as data. Alphabetical by group and resource, so that a repeated or missing permission shows. */
export interface PolicyRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

const rule = (group: string, resource: string, ...verbs: string[]): PolicyRule => ({
  apiGroups: [group],
  resources: [resource],
  verbs,
});

/** In every namespace that has Zones. */
export const watchedRules: readonly PolicyRule[] = [
  rule('', 'configmaps', 'create', 'delete', 'list', 'patch', 'watch'), // controllers/{zone,slot}: node.json
  rule('', 'pods', 'delete', 'list', 'patch', 'watch'), // controllers/slot: ended when drained; controllers/zone: annotated
  rule('', 'secrets', 'create', 'get', 'patch'), // controllers/keys: made, found by name, clusters/member: a kubeconfig; never listed, never watched
  rule('', 'services', 'create', 'delete', 'list', 'patch', 'watch'), // controllers/zone: the directory's address
  rule('apps', 'statefulsets', 'create', 'delete', 'list', 'patch', 'watch'), // controllers/{zone,slot}: one per node
  rule('events.k8s.io', 'events', 'create', 'patch'), // kube/events
  rule('herd.network', 'nodeslots', 'create', 'delete', 'list', 'patch', 'watch'), // controllers/{zone,superpeer,slot}
  rule('herd.network', 'nodeslots/status', 'patch'), // controllers/slot
  rule('herd.network', 'superpeers', 'list', 'watch'), // controllers/{zone,superpeer}
  rule('herd.network', 'superpeers/status', 'patch'), // controllers/superpeer
  rule('herd.network', 'zones', 'list', 'patch', 'watch'), // controllers/zone: its finalizer
  rule('herd.network', 'zones/status', 'patch'), // controllers/zone
  rule('policy', 'poddisruptionbudgets', 'create', 'delete', 'list', 'patch', 'watch'), // controllers/{zone,slot}
];

/** What the operator of a Zone may do in a namespace of another cluster that the Zone is in. */
export const memberRules: readonly PolicyRule[] = [
  rule('herd.network', 'nodeslots', 'create', 'delete', 'list', 'patch', 'watch'), // clusters/member
];

/** In the whole cluster, whatever namespaces are watched. */
export const clusterRules: readonly PolicyRule[] = [
  rule('', 'nodes', 'list', 'watch'), // controllers/slot: a cordoned machine's slots drain
];

/** In the operator's own namespace. */
export const ownRules: readonly PolicyRule[] = [
  rule('coordination.k8s.io', 'leases', 'create', 'get', 'update'), // kube/lease
];
