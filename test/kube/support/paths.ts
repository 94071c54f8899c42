/**
 * The ways that an operator can go, for the suites that go all of them: uncrashed to see what it asks for, and crashed
 * at every step. To add one is to add an entry to `paths`: what is there before (each list is applied once the one before
 * it has settled), what then happens, and how one sees that the operator is through.
 */
import * as kube from '../../../operator/kube/types.ts';
import { identitySecretName, rootSecretName, rotateAnnotation } from '../../../operator/objects/labels.ts';
import { paidSuperpeer } from './living-directories.ts';
import { superpeer, zone } from './samples.ts';
import { memberName, type World } from './world.ts';

type Before = readonly kube.Manifest[] | ((world: World) => Promise<void>);

export interface Path {
  readonly what: string;
  /** There is a Secret with the kubeconfig of the cluster of `west`. */
  readonly member?: true;
  readonly before: readonly Before[];
  /** An operator with this image walks the path, in place of the one that made what was before. */
  readonly image?: string;
  readonly walk: (world: World) => Promise<void>;
  readonly through: (world: World) => boolean;
}

/** Somebody makes what is there before. */
export const prepare = (world: World, before: Before): Promise<void> =>
  typeof before === 'function' ? before(world) : world.apply(...before);

const says = (name: string, condition: string) => (world: World) => world.says(kube.zones, name, condition);
const superpeerSays = (name: string, condition: string) => (world: World) =>
  world.says(kube.superpeers, name, condition);
const gone = (resource: kube.Resource<kube.KubeObject>, name: string) => (world: World) =>
  world.get(resource, name) === undefined;
const all =
  (...through: Path['through'][]) =>
  (world: World) =>
    through.every((one) => one(world));
const applied =
  (...manifests: kube.Manifest[]) =>
  (world: World) =>
    world.apply(...manifests);
/** What the operator does not watch it sees at its next look. */
const deleted = (resource: kube.Resource<kube.KubeObject>, name: string) => async (world: World) => {
  await world.delete(resource, name);
  world.poke();
};

/** Somebody's object with the name of one that the operator is about to make. */
const foreign = (kind: 'ConfigMap' | 'Secret', name: string): kube.Manifest & { data: object } => ({
  apiVersion: 'v1',
  kind,
  metadata: { name },
  data: { theirs: 'b3du' },
});

const base = [superpeer('eu-sp', 'eu'), zone('eu')];
const twice = { regions: [{ name: 'eu', mixes: { replicas: 2 } }] };
const directory = { externalURL: 'http://10.96.255.1:8080' };
const alone = zone('eu', { directory });
/** The second region is elsewhere. */
const spanning = (world: World) =>
  world.apply(
    zone('eu', {
      directory,
      regions: [
        { name: 'eu' },
        { name: memberName, cluster: { kubeconfigSecretRef: { name: memberName }, namespace: world.member } },
      ],
    }),
  );
const there = (world: World) => world.hasThere(kube.statefulSets, 'eu-west-mix-0');
const twoMixes = zone('eu', twice);
const ready = all(says('eu', 'Ready=True'), superpeerSays('eu-sp', 'Ready=True'));

export const paths: readonly Path[] = [
  { what: 'a zone is made from nothing', before: [], walk: applied(...base), through: ready },
  {
    what: 'an operator with another node image takes over',
    before: [base],
    image: 'herd.local/node:other',
    walk: async () => {},
    through: all(ready, (world) =>
      world.mirror
        .all(kube.statefulSets, world.namespace)
        .every((set) => set.spec.template.spec!.containers[0]!.image === 'herd.local/node:other'),
    ),
  },
  { what: 'a zone gets another mix', before: [base], walk: applied(twoMixes), through: ready },
  {
    what: 'a zone loses a mix',
    before: [[superpeer('eu-sp', 'eu'), twoMixes]],
    walk: applied(zone('eu')),
    through: all(ready, gone(kube.statefulSets, 'eu-eu-mix-1'), gone(kube.secrets, identitySecretName('eu-eu-mix-1'))),
  },
  {
    what: 'a zone gets a peer',
    before: [[...base, zone('na', { provider: 'south' })]],
    walk: applied(zone('eu', { peers: [{ zone: 'na' }] })),
    through: all(ready, says('eu', 'PeersResolved=True')),
  },
  {
    what: 'a zone gives up its directory for that of another zone',
    before: [[...base, zone('sa')]],
    walk: applied(zone('sa', { directory: { zoneRef: 'eu' } })),
    through: all(ready, says('sa', 'Ready=True'), gone(kube.services, 'sa-directory')),
  },
  {
    what: 'a superpeer comes',
    before: [base],
    walk: applied(superpeer('eu-other', 'eu')),
    through: all(ready, superpeerSays('eu-other', 'Ready=True')),
  },
  {
    what: 'a superpeer goes',
    // One after the other: channels are numbered as superpeers come.
    before: [base, [superpeer('eu-other', 'eu')]],
    walk: deleted(kube.superpeers, 'eu-other'),
    through: all(ready, gone(kube.superpeers, 'eu-other'), gone(kube.statefulSets, 'eu-other')),
  },
  {
    what: 'a superpeer comes and is paid',
    before: [base],
    walk: applied(superpeer(paidSuperpeer, 'eu', { payment: { amount: '0.5', currency: 'EUR' } })),
    through: all(ready, superpeerSays(paidSuperpeer, 'Ready=True'), (world) => {
      const { lastPayout } = (world.get(kube.superpeers, paidSuperpeer)?.status ?? {}) as { lastPayout?: string };
      return lastPayout === '12 EUR';
    }),
  },
  {
    what: 'a zone is paused',
    before: [base],
    walk: applied(zone('eu', { paused: true, epochSeconds: 60 })),
    through: says('eu', 'Progressing=False Paused'),
  },
  {
    what: 'a zone that changed while it was paused goes on',
    before: [base, [zone('eu', { ...twice, paused: true })]],
    walk: applied(twoMixes),
    through: ready,
  },
  {
    what: 'a zone is deleted',
    before: [[zone('eu')]],
    walk: deleted(kube.zones, 'eu'),
    through: (world) => world.mirror.in(world.namespace).length === 0,
  },
  {
    what: 'the key of a mix is lost',
    before: [base],
    walk: deleted(kube.secrets, identitySecretName('eu-eu-mix-0')),
    through: all(ready, (world) => world.get(kube.secrets, identitySecretName('eu-eu-mix-0')) !== undefined),
  },
  {
    what: 'the root key of a zone is lost',
    before: [base],
    walk: deleted(kube.secrets, rootSecretName('eu')),
    through: says('eu', 'KeysReady=False RootKeyLost'),
  },
  {
    what: 'a Secret of somebody else is in the way',
    before: [base, [foreign('Secret', identitySecretName('eu-eu-mix-1'))]],
    walk: applied(twoMixes),
    through: (world) => world.says(kube.nodeSlots, 'eu-eu-mix-1', 'KeysReady=False SecretOfAnother'),
  },
  {
    what: 'a Secret of somebody else goes out of the way',
    before: [base, [foreign('Secret', identitySecretName('eu-eu-mix-1')), twoMixes]],
    walk: deleted(kube.secrets, identitySecretName('eu-eu-mix-1')),
    through: ready,
  },
  {
    what: 'keys are changed on demand',
    before: [base],
    walk: (world) => {
      const { metadata, ...rest } = zone('eu');
      const annotations = { [rotateAnnotation]: new Date().toISOString() };
      return world.apply({ ...rest, metadata: { ...metadata, annotations } });
    },
    through: all(ready, (world) =>
      [world.get(kube.zones, 'eu'), ...world.mirror.all(kube.nodeSlots, world.namespace)].every((owner) => {
        const keys = (owner?.status as { keys?: { name: string }[] } | undefined)?.keys ?? [];
        return keys.filter(({ name }) => name.endsWith('-2')).length === keys.length / 2;
      }),
    ),
  },
  {
    what: 'a zone gets another range of ports',
    before: [base],
    walk: applied(zone('eu', { network: { ports: { first: 23000 } } })),
    through: all(ready, (world) =>
      world.mirror
        .all(kube.statefulSets, world.namespace)
        .filter(({ spec }) => spec.template.spec!.hostNetwork)
        .every(({ spec }) => spec.template.spec!.containers[0]!.ports!.every(({ hostPort }) => hostPort! >= 23000)),
    ),
  },
  {
    what: 'a StatefulSet is deleted by somebody',
    before: [base],
    walk: deleted(kube.statefulSets, 'eu-eu-mix-0'),
    through: all(ready, (world) => world.get(kube.statefulSets, 'eu-eu-mix-0') !== undefined),
  },
  {
    what: 'a zone gets a region in another cluster',
    member: true,
    before: [[alone]],
    walk: spanning,
    through: all(says('eu', 'Ready=True'), says('eu', 'ClustersReachable=True'), there),
  },
  {
    what: 'a zone gives up a region in another cluster',
    member: true,
    before: [[alone], spanning],
    walk: applied(alone),
    through: all(
      says('eu', 'Ready=True'),
      (world) => !there(world) && !world.hasThere(kube.nodeSlots, 'eu-west-mix-0'),
    ),
  },
];
