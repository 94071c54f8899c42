import type { Machine } from '../../nodes/core/machine.ts';
import { PacketRing } from '../../nodes/core/ring.ts';
import { type Endpoint, MILLISECOND_US, type Micros, SECOND_US } from '../../nodes/core/units.ts';
import { DATAGRAM_BYTES_MAX, TICK_US } from '../../nodes/wire/constants.ts';
import { SeededRandom } from './random.ts';

/**
 * The network in a box: the daemons' own machines on a virtual clock, and a network with seeded delay and loss.
 *
 * Every host ticks every 20 ms at a phase of its own; a datagram sent in a tick arrives after its delay and waits for
 * the receiver's next tick, exactly as under the daemons. Nothing here knows what the bytes mean.
 */
export interface PathQuality {
  readonly delayUs: number;
  /** Added uniformly in 0 … jitterUs. */
  readonly jitterUs: number;
  /** Share of datagrams lost, 0 … 1. */
  readonly loss: number;
}

export interface Host {
  readonly name: string;
  readonly endpoint: Endpoint;
  machine: Machine | undefined;
  readonly phaseUs: number;
}

interface Datagram {
  readonly at: Micros;
  readonly order: number;
  readonly from: Endpoint;
  readonly bytes: Buffer;
}

/** What an observer of every link sees. */
export interface Sighting {
  readonly at: Micros;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly length: number;
}

/** The epoch of the virtual clock: any instant will do. */
export const START_US: Micros = 1_800_000_000 * SECOND_US;

export class World {
  readonly random: SeededRandom;
  readonly hosts = new Map<Endpoint, Host>();
  /** On their way, by receiver. BOUNDED: by what is sent within the longest delay. */
  readonly #mail = new Map<Endpoint, Datagram[]>();
  readonly #path: (from: Endpoint, to: Endpoint) => PathQuality;
  #order = 0;
  now: Micros = START_US;
  /** Called for every datagram as it leaves, lost ones too. */
  observe: (sighting: Sighting) => void = () => {};
  /** Lets an adversary on the path change or drop a datagram (undefined). */
  tamper: (from: Endpoint, to: Endpoint, bytes: Buffer) => Buffer | undefined = (_from, _to, bytes) => bytes;

  constructor(seed: string, path: (from: Endpoint, to: Endpoint) => PathQuality) {
    this.random = new SeededRandom(seed);
    this.#path = path;
  }

  add(name: string, endpoint: Endpoint): Host {
    const phaseUs = Math.floor(this.random.next() * TICK_US);
    const host: Host = { name, endpoint, machine: undefined, phaseUs };
    this.hosts.set(endpoint, host);
    this.#mail.set(endpoint, []);
    return host;
  }

  inject(from: Endpoint, to: Endpoint, bytes: Buffer): void {
    this.#mail.get(to)?.push({ at: this.now, order: this.#order++, from, bytes });
  }

  /** Runs until `until` or until `done` says so at the end of a millisecond; true if it did. */
  run(until: Micros, done: () => boolean = () => false): boolean {
    const inbox = new PacketRing(4096, DATAGRAM_BYTES_MAX);
    const outbox = new PacketRing(4096, DATAGRAM_BYTES_MAX);
    for (; this.now < until; this.now += MILLISECOND_US) {
      for (const host of this.hosts.values()) {
        const sinceTick = (this.now - host.phaseUs) % TICK_US;
        if (host.machine && sinceTick < MILLISECOND_US) this.#tick(host, host.machine, inbox, outbox);
      }
      if (done()) return true;
    }
    return false;
  }

  #tick(host: Host, machine: Machine, inbox: PacketRing, outbox: PacketRing): void {
    inbox.clear();
    outbox.clear();
    const mail = this.#mail.get(host.endpoint)!;
    const due = mail.filter(({ at }) => at <= this.now);
    if (due.length > 0) {
      const later = mail.filter(({ at }) => at > this.now);
      this.#mail.set(host.endpoint, later);
    }
    due.sort((a, b) => a.at - b.at || a.order - b.order);
    for (const { from, bytes } of due) {
      const offset = inbox.reserve();
      if (offset < 0) break;
      bytes.copy(inbox.bytes, offset);
      inbox.push(from, bytes.length);
    }
    machine.tick(this.now, inbox, outbox);
    for (let i = 0; i < outbox.count; i += 1) {
      const offset = i * outbox.slotBytes;
      const bytes = Buffer.from(outbox.bytes.subarray(offset, offset + outbox.lengths[i]!));
      this.#send(host.endpoint, outbox.endpoints[i]! as Endpoint, bytes);
    }
  }

  #send(from: Endpoint, to: Endpoint, bytes: Buffer): void {
    this.observe({ at: this.now, from, to, length: bytes.length });
    const { delayUs, jitterUs, loss } = this.#path(from, to);
    const lost = this.random.next() < loss;
    const at = this.now + delayUs + Math.floor(this.random.next() * jitterUs);
    const passed = this.tamper(from, to, bytes);
    if (lost || !passed) return;
    this.#mail.get(to)?.push({ at, order: this.#order++, from, bytes: passed });
  }
}
