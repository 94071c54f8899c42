/**
 * The lab's address plan. All of it lives in namespaces of the run, so two labs may use the same addresses; only
 * `rootLink` shows in the machine's own network.
 */

/** Kubernetes Services; routed nowhere, rewritten on each node. */
export const serviceSubnet = '10.96.0.0/16';
/** The first address of `serviceSubnet`, which Kubernetes gives to its own API. */
export const apiServiceAddress = '10.96.0.1';
/** Covers every region's pods. */
export const podSupernet = '10.64.0.0/10';

/** The control plane stands beside the regions, without delay to any of them: it is no part of what the lab measures. */
export const controlPlane = { subnet: '10.70.0.0/16', router: '10.70.0.1', host: '10.70.0.2' };

export interface RegionAddresses {
  /** What is in the region, for the delays between regions. */
  subnet: string;
  router: string;
  node: string;
  pods: string;
}

/** The addresses of the region at `index` (from 0) in the list of regions: 10.71.0.0/16, 10.72.0.0/16, ... */
export function regionAddresses(index: number): RegionAddresses {
  const net = `10.${71 + index}`;
  return { subnet: `${net}.0.0/16`, router: `${net}.0.1`, node: `${net}.0.2`, pods: `${net}.16.0/24` };
}

export interface RootLink {
  /** The address of the machine that runs the lab. */
  root: string;
  /** The control plane's address as the machine's own network sees it. */
  host: string;
}

/**
 * Picks the two addresses of the link between the machine and the control plane: the first of 10.69.N.0/30 that no
 * route of the machine (destinations as `ip route` prints them) lies in, N counting from `first`.
 */
export function rootLink(first: number, destinations: readonly string[]): RootLink {
  for (let i = 0; i < 256; i += 1) {
    const net = `10.69.${(first + i) % 256}.`;
    if (!destinations.some((destination) => destination.startsWith(net))) return { root: `${net}1`, host: `${net}2` };
  }
  throw new Error('every network 10.69.N.0/30 is in use on this machine');
}
