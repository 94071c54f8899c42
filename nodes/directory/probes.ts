import type { DropCounters } from '../core/drop.ts';
import type { Entropy } from '../core/machine.ts';
import type { PacketRing } from '../core/ring.ts';
import { type Endpoint, type Micros, SECOND_US } from '../core/units.ts';
import { type Link, Links } from '../link/links.ts';

/**
 * Whether nodes are where they say: what a firewall, a wrong address or a network without a way in do to a node shows here,
 * and not first to its clients.
 *
 * Property: a node has answered if whoever has its link key was at its endpoint in this epoch or the last; it has not if
 * nobody was for PATIENCE_US of trying. Each is tried once in an epoch, and every RETRY_US again until it answers. Time is an
 * argument; what is sent goes into a ring.
 */
const PATIENCE_US = 10 * SECOND_US;
const RETRY_US = 12 * SECOND_US;
/** BOUNDED: so many are tried at a time; of the others who has waited longest is next. */
const AT_ONCE_MAX = 128;

/** A process of a node that has registered. */
export interface ProbeTarget {
  readonly zone: string;
  readonly id: string;
  readonly boot: number;
  readonly endpoint: Endpoint;
  readonly linkKey: Buffer;
}

export interface ProbeResult {
  readonly target: ProbeTarget;
  readonly answered: boolean;
}

interface Probe {
  readonly target: ProbeTarget;
  link: Link<ProbeTarget> | undefined;
  since: Micros;
  answeredIn: number | undefined;
}

const NEVER = Number.NEGATIVE_INFINITY;

export class Probes {
  readonly #links: Links<ProbeTarget>;
  /** By zone and id. BOUNDED: by the targets. */
  #probes = new Map<string, Probe>();

  constructor(entropy: Entropy, drops: DropCounters) {
    this.#links = new Links<ProbeTarget>({
      self: undefined,
      entropy,
      drops,
      admit: () => undefined,
      linksMax: AT_ONCE_MAX,
    });
  }

  /** Takes what has come, tries whom it has to. Returns what is known anew. */
  tick(
    now: Micros,
    epoch: number,
    targets: readonly ProbeTarget[],
    inbox: PacketRing,
    outbox: PacketRing,
  ): ProbeResult[] {
    for (let i = 0; i < inbox.count; i += 1) this.#links.receive(now, inbox, i, outbox);
    this.#follow(targets);
    const results = [...this.#probes.values()].flatMap((probe) => this.#look(now, epoch, probe));
    const due = [...this.#probes.values()].filter(
      ({ link, since, answeredIn }) => !link && answeredIn !== epoch && now - since > RETRY_US,
    );
    for (const probe of due.sort((a, b) => a.since - b.since)) this.#begin(now, probe);
    this.#links.tick(now, outbox, () => {});
    return results;
  }

  /** Another process, or another endpoint, has yet to answer. */
  #follow(targets: readonly ProbeTarget[]): void {
    const before = this.#probes;
    this.#probes = new Map(
      targets.map((target) => {
        const key = `${target.zone}/${target.id}`;
        const known = before.get(key);
        const isSame = known?.target.boot === target.boot && known.target.endpoint === target.endpoint;
        if (!isSame) return [key, { target, link: undefined, since: NEVER, answeredIn: undefined }];
        before.delete(key);
        return [key, known];
      }),
    );
    for (const { link } of before.values()) if (link) this.#links.close(link);
  }

  #look(now: Micros, epoch: number, probe: Probe): ProbeResult[] {
    const { target, link } = probe;
    if (link && this.#links.isUp(link)) {
      this.#end(probe);
      probe.answeredIn = epoch;
      return [{ target, answered: true }];
    }
    if (link && now - probe.since > PATIENCE_US) {
      this.#end(probe);
      return (probe.answeredIn ?? NEVER) < epoch - 1 ? [{ target, answered: false }] : [];
    }
    return [];
  }

  #begin(now: Micros, probe: Probe): void {
    if (this.#links.size >= AT_ONCE_MAX) return;
    const { target } = probe;
    const keys = [{ key: target.linkKey, from: 0 }];
    probe.link = this.#links.connect(now, target, () => keys, target.endpoint);
    probe.since = now;
  }

  #end(probe: Probe): void {
    if (probe.link) this.#links.close(probe.link);
    probe.link = undefined;
  }
}
