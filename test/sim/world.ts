import assert from 'node:assert/strict';
import type { Machine } from '../../nodes/core/machine.ts';
import { PacketRing } from '../../nodes/core/ring.ts';
import { type Endpoint, MILLISECOND_US, type Micros, SECOND_US } from '../../nodes/core/units.ts';
import { DATAGRAM_BYTES_MAX, TICK_US } from '../../nodes/wire/constants.ts';
import { type Timed, TimeHeap } from './heap.ts';
import { Host, type HostKind, type Mail } from './host.ts';
import { drawDelayUs, type LinkClass, linkOf, type Path } from './path.ts';
import { SeededRandom } from './random.ts';

/**
 * The network in a box: the daemons' own machines on a virtual clock, and a network with seeded delay and loss.
 *
 * Every host ticks every 20 ms of its own clock, at a phase of its own; a datagram sent in a tick arrives after its
 * delay and waits for the receiver's next tick, exactly as under the daemons. Nothing here knows what the bytes mean.
 * Whatever happens, happens by the order of instants and of adding, and by the seed: the same seed gives the same run.
 */

/** What an observer of every link sees. */
export interface Sighting {
  readonly at: Micros;
  readonly from: Endpoint;
  readonly to: Endpoint;
  readonly length: number;
  /** undefined for a datagram to nobody, or of a host whose kind the world was not told. */
  readonly link: LinkClass | undefined;
}

interface Timer extends Timed {
  readonly action: () => void;
}

/** The epoch of the virtual clock: any instant will do. */
export const START_US: Micros = 1_800_000_000 * SECOND_US;

/** A process that stood still for longer leaves its missed ticks out, like nodes/host/plane.ts. */
const CATCH_UP_TICKS_MAX = 5;
const RING_SLOTS = 4096;
/** From one datagram of a batch to the next, when sightings are late at all: a system call's worth. */
const SEND_US = 4;

export class World {
  /** Called once per virtual second of any world: how a command shows that it is not stuck. */
  static onSecond: ((world: World) => void) | undefined;

  /** Of the network and of whoever plays with it; machines have each their own (`randomFor`). */
  readonly random: SeededRandom;
  readonly hosts = new Map<Endpoint, Host>();
  now: Micros = START_US;
  /** Called for every datagram as it leaves, lost ones too. */
  observe: ((sighting: Sighting) => void) | undefined;
  /**
   * Makes sightings late as a real host's timer does, for statistics that exact ticks would defeat: all datagrams of a
   * tick by a lateness of this mean (exponential, from a stream of the host's own), and each by SEND_US more than the one
   * before it. Only what is seen moves: datagrams arrive as without.
   */
  sendJitterUs = 0;
  /** Lets an adversary on the path change or drop a datagram (undefined). `bytes` is its own copy. */
  tamper: ((from: Endpoint, to: Endpoint, bytes: Buffer) => Buffer | undefined) | undefined;
  readonly #seed: string;
  readonly #path: Path;
  readonly #inbox = new PacketRing(RING_SLOTS, DATAGRAM_BYTES_MAX);
  readonly #outbox = new PacketRing(RING_SLOTS, DATAGRAM_BYTES_MAX);
  /** Hosts by their next tick, and what is to be done at an instant. */
  readonly #ticks = new TimeHeap<Host>();
  readonly #timers = new TimeHeap<Timer>();
  /** BOUNDED: by the most datagrams that ever were on their way at once. */
  readonly #spareMail: Mail[] = [];
  readonly #partitions = new Set<{ readonly groupA: ReadonlySet<Host>; readonly groupB: ReadonlySet<Host> }>();
  /** BOUNDED: one per host. */
  readonly #jitters = new Map<Host, SeededRandom>();
  #order = 0;
  #nextSecond = START_US + SECOND_US;

  constructor(seed: string, path: Path) {
    this.#seed = seed;
    this.#path = path;
    this.random = new SeededRandom(seed);
  }

  /** A source of randomness of its own: what one machine draws does not move what another draws. */
  randomFor(name: string): SeededRandom {
    return new SeededRandom(`${this.#seed} / ${name}`);
  }

  /** A host without a process, which ticks from a random phase on; give it a `machine`. */
  add(name: string, endpoint: Endpoint, kind?: HostKind): Host {
    assert(!this.hosts.has(endpoint), `${name} has the endpoint of ${this.hosts.get(endpoint)?.name}`);
    const firstTick = this.now + this.random.below(TICK_US);
    const host = new Host(this, { name, kind, endpoint, order: this.#order++, firstTick });
    this.hosts.set(endpoint, host);
    this.#ticks.push(host);
    return host;
  }

  // What happens to hosts

  /** The process is gone; what is sent to the host vanishes. */
  kill(host: Host): void {
    this.wake(host);
    this.#arrive(host);
    host.machine = undefined;
    host.state = 'running';
    host.missedTicks = 0;
    this.#spareMail.push(...host.socket);
    host.socket.length = 0;
  }

  /** Another process in the place of the one before; its first tick comes after 20 ms, as under the daemons. */
  start(host: Host, machine: Machine): void {
    this.kill(host);
    host.machine = machine;
    this.#ticks.move(host, this.now + TICK_US);
    host.countTicks();
  }

  /** SIGSTOP, until `resume` or for so long: no ticks; datagrams wait as far as the socket has room. */
  pause(host: Host, forUs?: Micros): void {
    this.#stop(host, 'paused', forUs);
  }

  /** Missed ticks follow at once, if they are few. */
  resume(host: Host): void {
    if (host.state !== 'paused') return;
    host.state = 'running';
    const due = host.missedTicks > CATCH_UP_TICKS_MAX ? 1 : host.missedTicks;
    host.missedTicks = 0;
    for (let i = 0; i < due; i += 1) this.#tick(host);
  }

  /** The lid is shut: no ticks, datagrams are lost, and the clock stands still as Linux's monotonic one does. */
  sleep(host: Host, forUs?: Micros): void {
    this.#stop(host, 'asleep', forUs);
    host.stopClock();
  }

  wake(host: Host): void {
    if (host.state !== 'asleep') return;
    this.#arrive(host);
    host.state = 'running';
    host.setClock(host.now, host.driftPpm);
  }

  #stop(host: Host, state: 'paused' | 'asleep', forUs: Micros | undefined): void {
    assert(host.state === 'running', `${host.name} is ${host.state} already`);
    this.#arrive(host);
    host.state = state;
    host.stops += 1;
    const { stops } = host;
    if (forUs === undefined) return;
    this.after(forUs, () => {
      if (host.stops !== stops) return;
      this.resume(host);
      this.wake(host);
    });
  }

  /** NTP has its way: the host's clock jumps by so much, its ticks do not. */
  stepClock(host: Host, byUs: Micros): void {
    host.setClock(host.now + byUs, host.driftPpm);
  }

  /** From now on the host's clock and ticks are faster by so many parts per million. */
  setDrift(host: Host, ppm: number): void {
    host.setClock(host.now, ppm);
  }

  /** A NAT has given the host another address: its datagrams come from there, and only what is sent there reaches it. */
  rebind(host: Host, endpoint: Endpoint): void {
    assert(!this.hosts.has(endpoint), 'an endpoint belongs to one host');
    this.#arrive(host);
    this.hosts.delete(host.endpoint);
    host.endpoint = endpoint;
    this.hosts.set(endpoint, host);
  }

  /** Nothing that is sent from now on passes between the groups, in either direction, until the result is called. */
  partition(groupA: Iterable<Host>, groupB: Iterable<Host>): () => void {
    const partition = { groupA: new Set(groupA), groupB: new Set(groupB) };
    this.#partitions.add(partition);
    return () => this.#partitions.delete(partition);
  }

  /** Puts an end to all partitions. */
  heal(): void {
    this.#partitions.clear();
  }

  /** A datagram out of nowhere, which has arrived now. Its sender may be anybody. */
  inject(from: Endpoint, to: Endpoint, bytes: Buffer): void {
    const host = this.hosts.get(to);
    if (host) this.#post(host, from, this.now, bytes, 0, bytes.length);
  }

  // Time

  /** Does something at an instant of the world's clock, before the ticks of that instant. */
  at(when: Micros, action: () => void): void {
    this.#timers.push({ at: when, order: this.#order++, action });
  }

  after(us: Micros, action: () => void): void {
    this.at(this.now + us, action);
  }

  /** Runs until `until` or until `done` says so at the end of a millisecond; true if it did. */
  run(until: Micros, done: () => boolean = () => false): boolean {
    while (this.now < until) {
      const end = Math.min(until, this.now + MILLISECOND_US);
      this.#runTo(end);
      this.now = end;
      if (end >= this.#nextSecond) {
        this.#nextSecond += SECOND_US;
        World.onSecond?.(this);
      }
      if (done()) return true;
    }
    return false;
  }

  #runTo(end: Micros): void {
    for (;;) {
      const timer = this.#timers.peek();
      const host = this.#ticks.peek();
      const tickAt = host ? host.at : end;
      if (timer && timer.at < end && timer.at <= tickAt) {
        this.#timers.pop();
        this.now = Math.max(this.now, timer.at);
        timer.action();
      } else if (host && tickAt < end) {
        this.now = Math.max(this.now, tickAt);
        host.advanceTick();
        this.#ticks.postponeFirst();
        this.#turn(host);
      } else return;
    }
  }

  /** A host's instant has come, whatever state it is in. */
  #turn(host: Host): void {
    if (host.state === 'running') return this.#tick(host);
    this.#arrive(host);
    if (host.state === 'paused') host.missedTicks += 1;
  }

  #tick(host: Host): void {
    this.#arrive(host);
    const { machine } = host;
    if (!machine) return;
    const inbox = this.#inbox;
    const outbox = this.#outbox;
    inbox.clear();
    outbox.clear();
    this.#drain(host, inbox);
    host.ticks += 1;
    machine.tick(host.now, inbox, outbox);
    const lateUs = this.sendJitterUs > 0 ? this.#latenessUs(host) : 0;
    for (let i = 0; i < outbox.count; i += 1) {
      const seenAt = this.sendJitterUs > 0 ? Math.round(this.now + lateUs + i * SEND_US) : this.now;
      this.#send(
        host,
        seenAt,
        outbox.endpoints[i]! as Endpoint,
        outbox.bytes,
        i * outbox.slotBytes,
        outbox.lengths[i]!,
      );
    }
  }

  #latenessUs(host: Host): number {
    const jitter = this.#jitters.get(host) ?? this.randomFor(`${host.name} timer`);
    this.#jitters.set(host, jitter);
    return -Math.log(1 - jitter.next()) * this.sendJitterUs;
  }

  // Datagrams

  #send(host: Host, seenAt: Micros, to: Endpoint, bytes: Buffer, offset: number, length: number): void {
    const from = host.endpoint;
    const receiver = this.hosts.get(to);
    this.observe?.({ at: seenAt, from, to, length, link: linkOf(host, receiver) });
    if (!receiver) return;
    const quality = this.#path(host, receiver);
    const lost =
      (quality.loss > 0 && this.random.next() < quality.loss) ||
      (quality.bursts !== undefined && host.bursts(to).draw(quality.bursts, this.random));
    const { duplicated = 0 } = quality;
    const copies = duplicated > 0 && this.random.next() < duplicated ? 2 : 1;
    const passed = this.tamper ? this.tamper(from, to, Buffer.from(bytes.subarray(offset, offset + length))) : bytes;
    if (lost || !passed || this.#isParted(host, receiver)) return;
    const tampered = passed !== bytes;
    for (let copy = 0; copy < copies; copy += 1) {
      const at = this.now + drawDelayUs(quality, this.random);
      this.#post(receiver, from, at, passed, tampered ? 0 : offset, tampered ? passed.length : length);
    }
  }

  #isParted(one: Host, other: Host): boolean {
    for (const { groupA, groupB } of this.#partitions)
      if ((groupA.has(one) && groupB.has(other)) || (groupB.has(one) && groupA.has(other))) return true;
    return false;
  }

  #post(host: Host, from: Endpoint, at: Micros, bytes: Buffer, offset: number, length: number): void {
    assert(length <= DATAGRAM_BYTES_MAX, 'no datagram is longer than a slot');
    const mail = this.#spareMail.pop() ?? newMail();
    mail.at = at;
    mail.order = this.#order++;
    mail.from = from;
    mail.to = host.endpoint;
    mail.length = length;
    bytes.copy(mail.bytes, 0, offset, offset + length);
    host.mail.push(mail);
  }

  /** Takes what has arrived by now into the socket's buffer, as far as there is a host, at that address, and room. */
  #arrive(host: Host): void {
    const { mail, socket } = host;
    for (let next = mail.peek(); next && next.at <= this.now; next = mail.peek()) {
      mail.pop();
      const reached = host.machine !== undefined && host.state !== 'asleep' && next.to === host.endpoint;
      if (reached && socket.length < host.socketDatagramsMax) socket.push(next);
      else {
        if (reached) host.socketDrops += 1;
        this.#spareMail.push(next);
      }
    }
  }

  /** What does not fit the ring waits for the next tick. */
  #drain(host: Host, inbox: PacketRing): void {
    const { socket } = host;
    const count = Math.min(socket.length, inbox.capacity);
    for (let i = 0; i < count; i += 1) {
      const mail = socket[i]!;
      mail.bytes.copy(inbox.bytes, inbox.reserve(), 0, mail.length);
      inbox.push(mail.from, mail.length);
      this.#spareMail.push(mail);
    }
    if (count === socket.length) socket.length = 0;
    else socket.splice(0, count);
  }
}

function newMail(): Mail {
  const nobody = 0 as Endpoint;
  return { at: 0, order: 0, from: nobody, to: nobody, bytes: Buffer.allocUnsafeSlow(DATAGRAM_BYTES_MAX), length: 0 };
}
