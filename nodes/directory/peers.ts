import { opened } from '../config/consensus.ts';
import type { DirectoryZone } from '../config/node.ts';
import { repeat } from '../host/directory-client.ts';
import { log } from '../host/log.ts';
import type { Directory } from './directory.ts';

/** Fetches the peer zones' consensus every few seconds, of exactly those peers that the configuration names. */
const INTERVAL_MS = 5_000;
const TIMEOUT_MS = 4_000;
const RETRY_MS = 1_000;

type Peer = DirectoryZone['peers'][number];

export class Peers {
  readonly #directory: Directory;
  /** By the zone and everything about the peer. BOUNDED: by the configured peers. */
  readonly #fetching = new Map<string, AbortController>();

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  /** Goes on with the peers that stay, begins with new ones and leaves the others. */
  follow(zones: readonly DirectoryZone[]): void {
    const wanted = new Map(
      zones.flatMap(({ zone, peers }) => peers.map((peer) => [JSON.stringify([zone, peer]), { zone, peer }] as const)),
    );
    for (const [key, controller] of this.#fetching) {
      if (wanted.has(key)) continue;
      controller.abort();
      this.#fetching.delete(key);
    }
    for (const [key, { zone, peer }] of wanted) {
      if (this.#fetching.has(key)) continue;
      const controller = new AbortController();
      this.#fetching.set(key, controller);
      void this.#fetch(zone, peer, controller.signal);
    }
  }

  async #fetch(zone: string, peer: Peer, signal: AbortSignal): Promise<void> {
    let told = '';
    const failed = (reason: string) => {
      if (reason !== told) log('warn', 'peer zone not learnt', { zone, peer: peer.zone, reason });
      told = reason;
    };
    await repeat(
      signal,
      (error) => failed(error.message),
      RETRY_MS,
      async () => {
        const answer = await fetch(`${peer.url}/v1/zones/${peer.zone}/consensus`, {
          signal: AbortSignal.timeout(TIMEOUT_MS),
        });
        const signed = opened(await answer.json());
        if (!answer.ok) throw new Error(`its directory answered ${answer.status}`);
        if (!signed) throw new Error('its directory answered with something else');
        // The peer may have been left, and come again with another key, while it answered.
        if (signal.aborted) return INTERVAL_MS;
        const refused = this.#directory.learnPeer(Date.now(), zone, peer.zone, signed);
        if (refused) failed(refused.refused);
        return INTERVAL_MS;
      },
    );
  }
}
