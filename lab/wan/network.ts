import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { compile } from '../host/compile.ts';
import { dieWithLab, startDaemon } from '../host/daemon.ts';
import { exec } from '../host/exec.ts';
import type { Run } from '../host/run.ts';
import { controlPlane, type RegionAddresses, regionAddresses, rootLink } from './addresses.ts';
import { type Delays, regionPairs } from './delays.ts';

export interface Region extends RegionAddresses {
  name: string;
  /** Name of the region's network namespace; `ip netns exec` takes it. */
  netns: string;
}

export interface Network {
  /** The namespace that all regions are linked to. */
  router: string;
  regions: Region[];
  /** `address` is how the machine's own network reaches the control plane. */
  controlPlane: { netns: string; address: string };
}

/**
 * Routing table of the router for what comes from a region. Packets to another region go through the emulator, which
 * writes them back into the router; then the main table delivers them.
 */
const wanTable = '100';
/** nftables. */
const partTable = 'parted';

/**
 * Builds one network namespace for each region, one for the control plane, and a router between them that delays what
 * passes from region to region. The machine's own network gains one interface, by which kubectl reaches the control
 * plane; its routes and forwarding stay as they are.
 */
export async function createNetwork(run: Run, delays: Delays): Promise<Network> {
  const emulator = await compile(path.join(import.meta.dirname, 'emulator.c'), ['-lm']);
  const router = `${run.name}-wan`;
  const host = `${run.name}-control`;
  const regions = delays.regions.map((name, i) => ({ name, netns: `${run.name}-${name}`, ...regionAddresses(i) }));
  await ip([router, host, ...regions.map((region) => region.netns)].map((netns) => `netns add ${netns}`));

  const { root, host: address } = rootLink(Number.parseInt(run.id, 16) % 256, await routedDestinations());
  await ip([
    `link add ${run.name} type veth peer name root netns ${host}`,
    `addr add ${root}/30 dev ${run.name}`,
    `link set ${run.name} up`,
  ]);
  await ip(['link set lo up', `addr add ${address}/30 dev root`, 'link set root up'], host);
  await buildRouter(router, host, regions);
  await run.all([
    attach(host, 'control', controlPlane.host, controlPlane.router),
    ...regions.map((region) => attach(region.netns, region.name, region.node, region.router)),
  ]);

  const paths = path.join(run.directory, 'paths');
  await writeFile(paths, emulatorPaths(regions, delays).join('\n') + '\n');
  await startDaemon(run, 'wan', [...dieWithLab, 'nsenter', `--net=/run/netns/${router}`, emulator, 'wan0', paths]);
  return { router, regions, controlPlane: { netns: host, address } };
}

/** Drops at the router what comes from the region and what goes to it. */
export async function partRegion({ router }: Network, name: string): Promise<void> {
  const table = [
    `table inet ${partTable} {`,
    `  chain from { type filter hook prerouting priority -300; iifname "${name}" drop; }`,
    `  chain to { type filter hook postrouting priority 300; oifname "${name}" drop; }`,
    '}',
  ];
  await exec('nsenter', [`--net=/run/netns/${router}`, 'nft', '-f', '-'], { input: `${table.join('\n')}\n` });
}

/** All that were parted. */
export async function joinRegions({ router }: Network): Promise<void> {
  await exec('nsenter', [`--net=/run/netns/${router}`, 'nft', 'delete', 'table', 'inet', partTable]);
}

/** The router's end of every link, named after who is at the other end. */
async function buildRouter(router: string, host: string, regions: Region[]): Promise<void> {
  await ip(
    [
      'link set lo up',
      'tuntap add dev wan0 mode tun',
      'link set wan0 txqueuelen 10000 up',
      `link add control type veth peer name wan netns ${host}`,
      `addr add ${controlPlane.router}/24 dev control`,
      'link set control up',
      `route add ${controlPlane.subnet} dev control table ${wanTable}`,
      // Nothing leads out of the lab. Saying so at once keeps look-ups of a cloud's metadata service from waiting.
      `route add unreachable default table ${wanTable}`,
      ...regions.flatMap((region) => [
        `link add ${region.name} type veth peer name wan netns ${region.netns}`,
        `addr add ${region.router}/24 dev ${region.name}`,
        `link set ${region.name} up`,
        `route add ${region.subnet} via ${region.node}`,
        `route add ${region.subnet} dev wan0 table ${wanTable}`,
        `rule add iif ${region.name} lookup ${wanTable} pref 100`,
      ]),
    ],
    router,
  );
  // rp_filter would drop what the emulator writes back: it arrives by another interface than the sender's.
  await sysctls(router, {
    'net/ipv4/ip_forward': '1',
    'net/ipv4/conf/all/rp_filter': '0',
    'net/ipv4/conf/wan0/rp_filter': '0',
  });
}

/** The other end of a link to the router. */
async function attach(netns: string, name: string, address: string, gateway: string): Promise<void> {
  await ip(
    [`link set lo up`, `addr add ${address}/24 dev wan`, 'link set wan up', `route add default via ${gateway}`],
    netns,
  ).catch((error) => {
    throw new Error(`cannot attach ${name} to the router: ${error.message}`, { cause: error });
  });
  await sysctls(netns, { 'net/ipv4/ip_forward': '1' });
}

/** One line for each direction between two regions, as emulator.c reads them. */
export function emulatorPaths(regions: readonly { name: string; subnet: string }[], delays: Delays): string[] {
  const subnet = new Map(regions.map((region) => [region.name, region.subnet]));
  return regionPairs(delays.regions).flatMap(([a, b]) => {
    const path = `${delays.oneWayMs[`${a}-${b}`]} ${delays.jitterMs} ${delays.lossRatio}`;
    return [`${subnet.get(a)} ${subnet.get(b)} ${path}`, `${subnet.get(b)} ${subnet.get(a)} ${path}`];
  });
}

async function ip(commands: string[], netns?: string): Promise<void> {
  await exec('ip', [...(netns ? ['-n', netns] : []), '-batch', '-'], { input: commands.join('\n') + '\n' });
}

async function sysctls(netns: string, values: Record<string, string>): Promise<void> {
  const script = Object.entries(values).map(([name, value]) => `echo ${value} > /proc/sys/${name}`);
  await exec('nsenter', [`--net=/run/netns/${netns}`, 'sh', '-ec', script.join('\n')]);
}

async function routedDestinations(): Promise<string[]> {
  const routes = JSON.parse(await exec('ip', ['-4', '-json', 'route', 'show', 'table', 'all'])) as { dst: string }[];
  return routes.map((route) => route.dst);
}
