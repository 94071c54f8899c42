import { type RelayConfig, relayConfig } from '../config/node.ts';
import { main, readConfig, runRelay } from '../host/daemon.ts';
import { serveTunnels } from '../host/tunnel.ts';

/** BOUNDED: clients over TCP at once. Each costs several times what one over UDP does. */
const TUNNELS_MAX = 256;

await main(async () => {
  const { listen } = readConfig<RelayConfig>(relayConfig);
  await serveTunnels(listen.port, TUNNELS_MAX);
  await runRelay(new URL('./plane.ts', import.meta.url));
});
