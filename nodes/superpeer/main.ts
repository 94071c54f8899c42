import { main, runRelay } from '../host/daemon.ts';

await main(() => runRelay(new URL('./plane.ts', import.meta.url)));
