/** Where the user's cluster is, by the kubeconfig that kubectl would take. */
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { KubeConfig } from '@kubernetes/client-node';
import { type Cluster, clusterOf } from '../operator/kube/cluster.ts';
import { messageOf } from '../operator/kube/errors.ts';
import { Failure } from './failures.ts';

export interface Place {
  readonly cluster: Cluster;
  /** That of the context. */
  readonly namespace: string;
}

export interface Wanted {
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** @throws Failure */
export async function placeOf(wanted: Wanted, env: Environment): Promise<Place> {
  const files = filesOf(wanted, env);
  const load = () => {
    const config = merged(files);
    if (wanted.context !== undefined) config.setCurrentContext(wanted.context);
    return config;
  };
  try {
    const config = load();
    const contexts = config.getContexts().map(({ name }) => name);
    const current = config.getCurrentContext();
    if (!config.getContextObject(current)) {
      const named = wanted.context === undefined ? 'the current context' : `--context ${current}`;
      throw new Error(`${named} is not in it; there are: ${contexts.join(', ') || 'none'}`);
    }
    const namespace = config.getContextObject(current)?.namespace ?? 'default';
    return { cluster: await clusterOf(load, files.join(delimiter)), namespace };
  } catch (error) {
    throw new Failure('unreachable', `kubeconfig ${files.join(delimiter)}: ${messageOf(error)}`);
  }
}

/** @throws Failure */
export function contextsOf(wanted: Pick<Wanted, 'kubeconfig'>, env: Environment): string[] {
  return merged(filesOf(wanted, env))
    .getContexts()
    .map(({ name }) => name);
}

/** Those that are there; one that is named by the option has to be. */
function filesOf({ kubeconfig }: Pick<Wanted, 'kubeconfig'>, env: Environment): string[] {
  if (kubeconfig !== undefined) return [kubeconfig];
  const named = (env.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '');
  const files = named.length > 0 ? named : [join(env.HOME ?? homedir(), '.kube', 'config')];
  const there = files.filter((file) => existsSync(file));
  if (there.length === 0) throw new Failure('unreachable', `no kubeconfig: ${files.join(delimiter)} is not there`);
  return there;
}

/** The first file that names something wins, as with kubectl. */
function merged(files: readonly string[]): KubeConfig {
  const configs = files.map((file) => {
    const config = new KubeConfig();
    config.loadFromFile(file);
    return config;
  });
  const all = new KubeConfig();
  const byName = <T extends { name: string }>(lists: T[][]): T[] => [
    ...new Map(
      lists
        .flat()
        .reverse()
        .map((one) => [one.name, one]),
    ).values(),
  ];
  all.loadFromOptions({
    clusters: byName(configs.map((config) => config.clusters)),
    users: byName(configs.map((config) => config.users)),
    contexts: byName(configs.map((config) => config.contexts)),
    currentContext: configs.map((config) => config.currentContext).find(Boolean) ?? '',
  });
  return all;
}
