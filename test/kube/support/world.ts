/**
 * A control plane that many operators share, each alone in a namespace of its own: its world. It may have a second one,
 * for regions in another cluster: the operator finds it by a kubeconfig, and is the operator there too.
 */
import { Manager, type ManagerOptions } from '../../../operator/controllers/manager.ts';
import { KubeClient } from '../../../operator/kube/client.ts';
import * as kube from '../../../operator/kube/types.ts';
import { type ControlPlane, eventually, startControlPlane } from './control-plane.ts';
import { type Gate, type GateOptions, startGate } from './gate.ts';
import { apply, install, resourceOf } from './install.ts';
import { type PlayedKubelet, playKubelet } from './kubelet.ts';
import { directoriesIn } from './living-directories.ts';
import { type Mirror, startMirror } from './mirror.ts';
import { type Normal, normal } from './normal.ts';

export interface Stage {
  readonly plane: ControlPlane;
  newWorld(): Promise<World>;
  stop(): Promise<void>;
}

export async function startStage(gates: GateOptions): Promise<Stage> {
  const plane = await startControlPlane({ controllers: true });
  let kubelet: PlayedKubelet | undefined;
  let mirror: Mirror | undefined;
  const stop = async () => {
    await Promise.all([kubelet?.stop(), mirror?.stop()]);
    await plane.stop();
  };
  try {
    await install(plane.admin, 'herd');
    kubelet = await playKubelet(plane);
    mirror = await startMirror(plane.admin);
  } catch (error) {
    await stop();
    throw error;
  }
  let worlds = 0;
  const seen = mirror;
  return {
    plane,
    stop,
    async newWorld() {
      const namespace = `world-${++worlds}`;
      await apply(plane.admin, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } });
      return new World(plane, seen, namespace, gates);
    },
  };
}

export interface Operator {
  readonly gate: Gate;
  readonly manager: Manager;
  /** Whether it is dead or not: it asks nothing more. */
  stop(): Promise<void>;
}

/** Of the Secret and the region in the other namespace. */
export const memberName = 'west';
const memberOf = (namespace: string) => `${namespace}-${memberName}`;

type Custom = kube.Resource<kube.CustomResource>;

export class World {
  readonly namespace: string;
  readonly mirror: Mirror;
  readonly #plane: ControlPlane;
  readonly #gates: GateOptions;
  readonly #askDirectory: ManagerOptions['askDirectory'];
  #operator: Operator | undefined;
  #hasMember = false;

  constructor(plane: ControlPlane, mirror: Mirror, namespace: string, gates: GateOptions) {
    this.#plane = plane;
    this.mirror = mirror;
    this.namespace = namespace;
    this.#gates = gates;
    this.#askDirectory = directoriesIn(mirror, namespace, this.member);
  }

  get member(): string {
    return memberOf(this.namespace);
  }

  /** Operators from now on have the second namespace, and the Secret with the kubeconfig. */
  async join(): Promise<void> {
    this.#hasMember = true;
    await apply(this.#plane.admin, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: this.member } });
  }

  /** In place of the one before, which is gone without a word. */
  async startOperator(nodeImage: string): Promise<Operator> {
    await this.stopOperator();
    const { tls } = this.#plane;
    const gate = await startGate(this.#plane.operatorCluster(), { ...this.#gates, tls });
    if (this.#hasMember) await this.#tellOfMember(gate.tlsPort!);
    const client = new KubeClient(gate.cluster);
    const stopping = new AbortController();
    const manager = new Manager({
      client,
      memberClient: {},
      namespaces: this.#hasMember ? [this.namespace, this.member] : [this.namespace],
      nodeImage,
      instance: 'test',
      askDirectory: this.#askDirectory,
      onReconcile: () => {},
      onWatchError: () => {},
      keysBelievedMs: 1,
    });
    this.#operator = {
      gate,
      manager,
      async stop() {
        stopping.abort();
        await gate.close();
        await client.close();
        // What it was about to do fails and is forgotten; nobody waits for that.
        void manager.stop();
      },
    };
    await manager.sync(stopping.signal);
    manager.start();
    return this.#operator;
  }

  #tellOfMember(port: number): Promise<unknown> {
    const kubeconfig = JSON.stringify(this.#plane.homeKubeconfig(port, 'operator-token'));
    const data = { kubeconfig: Buffer.from(kubeconfig).toString('base64') };
    const metadata = { name: memberName, namespace: this.namespace };
    return apply(this.#plane.admin, { apiVersion: 'v1', kind: 'Secret', metadata, data } as kube.Manifest);
  }

  async stopOperator(): Promise<void> {
    await this.#operator?.stop();
    this.#operator = undefined;
  }

  /** Makes the operator look at everything now: some of what it watches over it sees only when it looks. */
  poke(): void {
    for (const { object } of this.#seen()) {
      for (const workers of Object.values(this.#operator!.manager.workers)) workers.add(kube.keyOf(object));
    }
  }

  /** Resolves once the mirror shows it, so that nobody takes what was before for what came of it. */
  async apply(...manifests: kube.Manifest[]): Promise<void> {
    for (const manifest of manifests) {
      const metadata = { ...manifest.metadata, namespace: this.namespace };
      const { resourceVersion } = (await apply(this.#plane.admin, { ...manifest, metadata })).metadata;
      const seen = () => this.get(resourceOf(manifest), manifest.metadata.name)?.metadata.resourceVersion ?? 0;
      await eventually(() => Number(seen()) >= Number(resourceVersion), `${manifest.metadata.name} in the mirror`);
    }
  }

  /** Resolves once the mirror shows that it is gone or going. */
  async delete(resource: kube.Resource<kube.KubeObject>, name: string): Promise<void> {
    const uid = this.get(resource, name)?.metadata.uid;
    await this.#plane.admin.delete(resource, this.namespace, name);
    await eventually(() => {
      const { metadata } = this.get(resource, name) ?? {};
      return metadata?.uid !== uid || metadata?.deletionTimestamp !== undefined;
    }, `the end of ${name} in the mirror`);
  }

  get<T extends kube.KubeObject>(resource: kube.Resource<T>, name: string): T | undefined {
    return this.mirror.get(resource, this.namespace, name);
  }

  /** Whether the other namespace has it. */
  hasThere(resource: kube.Resource<kube.KubeObject>, name: string): boolean {
    return this.mirror.get(resource, this.member, name) !== undefined;
  }

  version(): number {
    return this.mirror.version(this.namespace) + this.mirror.version(this.member);
  }

  #seen() {
    return [this.namespace, this.member].flatMap((namespace) => this.mirror.in(namespace));
  }

  /** `Ready=True` of one custom resource, of what it says of its newest generation. */
  says(resource: Custom, name: string, condition: string): boolean {
    const object = this.get(resource, name);
    const { observedGeneration, conditions } = (object?.status ?? {}) as {
      observedGeneration?: number;
      conditions?: { type: string; status: string; reason: string }[];
    };
    if (!object || observedGeneration !== object.metadata.generation) return false;
    return conditions!.some((c) => [`${c.type}=${c.status}`, `${c.type}=${c.status} ${c.reason}`].includes(condition));
  }

  /** What is there, and how often the Secrets that are left were made. */
  normal(): Normal {
    const made = [this.namespace, this.member].flatMap((namespace) =>
      Object.entries(this.mirror.secretsMade(namespace)).filter(([name]) =>
        this.mirror.get(kube.secrets, namespace, name),
      ),
    );
    return { ...normal(this.#seen(), this.namespace), secretsMade: Object.fromEntries(made.sort()) };
  }
}
