import type { View } from '../config/consensus.ts';
import type { Endpoint } from '../core/units.ts';
import { openTunnel, type Tunnel } from '../host/tunnel.ts';

/**
 * When to give up on UDP: a client that has been without any attachment for a while tries TCP to every superpeer of its
 * zone, and stays there as long as a tunnel stands. Whether it is in a call plays no part.
 */
const PATIENCE_MS = 10_000;
const STEP_MS = 1_000;

export type Transport = 'udp' | 'tcp';

export interface FallbackOptions {
  readonly planePort: number;
  readonly view: () => View;
  readonly attached: () => boolean;
  /** Tells the plane where to send what is meant for each superpeer. */
  readonly route: (routes: readonly (readonly [Endpoint, Endpoint])[]) => void;
  readonly changed: (transport: Transport) => void;
}

/** Watches until `signal`; one step a second. */
export class Fallback {
  readonly #options: FallbackOptions;
  readonly #tunnels = new Map<Endpoint, Tunnel>();
  #detachedMs = 0;

  constructor(options: FallbackOptions, signal: AbortSignal) {
    this.#options = options;
    const timer = setInterval(() => void this.#step(), STEP_MS);
    signal.addEventListener('abort', () => clearInterval(timer));
  }

  get transport(): Transport {
    return this.#tunnels.size > 0 ? 'tcp' : 'udp';
  }

  async #step(): Promise<void> {
    this.#detachedMs = this.#options.attached() ? 0 : this.#detachedMs + STEP_MS;
    if (this.#detachedMs < PATIENCE_MS) return;
    this.#detachedMs = 0;
    if (this.#tunnels.size > 0) return this.#closeAll();
    await this.#openAll();
  }

  async #openAll(): Promise<void> {
    const { view, planePort } = this.#options;
    const superpeers = new Set(view().own.channels.map(({ superpeer }) => superpeer.endpoint));
    const opened = [...superpeers].map(async (endpoint) => {
      const tunnel = await openTunnel(endpoint, planePort, () => this.#gone(endpoint));
      if (tunnel) this.#tunnels.set(endpoint, tunnel);
    });
    await Promise.all(opened);
    this.#tell();
  }

  /** Neither way works: UDP's turn again. */
  #closeAll(): void {
    for (const tunnel of [...this.#tunnels.values()]) tunnel.close();
    this.#tell();
  }

  #gone(endpoint: Endpoint): void {
    if (this.#tunnels.delete(endpoint)) this.#tell();
  }

  #tell(): void {
    this.#options.route([...this.#tunnels].map(([to, { local }]) => [to, local] as const));
    this.#options.changed(this.transport);
  }
}
