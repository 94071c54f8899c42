import { randomFillSync } from 'node:crypto';
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { type View, verifyView } from '../config/consensus.ts';
import { DropCounters } from '../core/drop.ts';
import type { Entropy, Machine, Rate } from '../core/machine.ts';
import { PacketRing } from '../core/ring.ts';
import type { Micros } from '../core/units.ts';
import { Identity, type KeySeeds, type NodeKeys, nodeKeys, wipe, wipeSeeds } from '../crypto/keys.ts';
import { DATAGRAM_BYTES_MAX, TICK_US } from '../wire/constants.ts';
import { nowUs } from './clock.ts';
import { Stats } from './stats.ts';
import { type DatagramIo, openDatagrams } from './udp.ts';

/**
 * The data plane's thread: one tick after the other, at t0 + k · 20 ms, for as long as the process lives.
 *
 * It wakes a little before the deadline, drains the socket, lets the machine compute, waits for the deadline and sends:
 * so the time of sending depends on the clock alone and not on how much there was to do (data-plane.md 8). Everything
 * that allocates or talks HTTP is on the other thread.
 */

/** Time to drain and compute before the deadline. A slot whose work takes longer goes out late and is counted. */
const LEAD_US = 3_000;
const LATE_US = 2_000;
const RING_SLOTS = 4096;
/** After a stall longer than this the missed slots are left out: sending them in a burst would be seen. */
const STALL_US = 5 * TICK_US;

export interface PlaneData {
  readonly port: number;
  readonly zone: string;
  readonly rootKey: string;
  readonly stats: SharedArrayBuffer;
  readonly seed: Uint8Array;
  /** A client has none. */
  readonly keys: KeySeeds;
  readonly view: unknown;
}

export interface MachineOptions {
  readonly identity: Identity;
  readonly keys: NodeKeys;
  readonly entropy: Entropy;
  readonly drops: DropCounters;
  readonly view: View;
  readonly now: Micros;
}

export interface PlaneRole<M extends Machine> {
  readonly create: (options: MachineOptions) => M;
  readonly update: (machine: M, now: Micros, view: View) => void;
  /** Takes the keys that the node has from now on; a client has none. */
  readonly rekey?: (machine: M, keys: NodeKeys) => void;
  readonly rate: (machine: M) => Rate;
  /** Fills the gauges after a tick. */
  readonly gauges: (machine: M, stats: Stats) => void;
  /** Commands of the control thread and events for it; only the client has any. */
  readonly command?: (machine: M, message: unknown, port: MessagePort) => void;
  readonly afterTick?: (machine: M, port: MessagePort) => void;
  /** Opens the sockets; only the client has a way of its own. */
  readonly open?: typeof openDatagrams;
}

/** The worker's entry: never returns. Messages are `{view}` and `{keys}` from the control thread, or a role's command. */
export async function servePlane<M extends Machine>(role: PlaneRole<M>): Promise<never> {
  const data = workerData as PlaneData;
  const port = parentPort!;
  const rootKey = Buffer.from(data.rootKey, 'base64');
  const stats = new Stats(data.stats);
  const drops = new DropCounters(stats.drops);
  const identity = new Identity(data.seed);
  wipe(data.seed);
  const keys = taken(data.keys);
  const view = verifyView(data.view, rootKey, data.zone, Date.now());
  if ('refused' in view) throw new Error(view.refused);
  const io = await (role.open ?? openDatagrams)(data.port, drops);
  const entropy: Entropy = (into) => {
    randomFillSync(into);
  };
  const machine = role.create({ identity, keys, entropy, drops, view, now: nowUs() });
  const take = (message: { view?: unknown; keys?: KeySeeds }) => {
    if (message.keys) return role.rekey?.(machine, taken(message.keys));
    if (message.view === undefined) return role.command?.(machine, message, port);
    const newer = verifyView(message.view, rootKey, data.zone, Date.now());
    if (!('refused' in newer)) role.update(machine, nowUs(), newer);
  };
  // Asked for, not listened for: with the native sockets the thread never turns its event loop.
  const commands = () => {
    for (let next = receiveMessageOnPort(port); next; next = receiveMessageOnPort(port)) take(next.message);
  };
  return runTicks(role, machine, io, stats, port, commands);
}

function taken(seeds: KeySeeds): NodeKeys {
  const keys = nodeKeys(seeds);
  wipeSeeds(seeds);
  return keys;
}

async function runTicks<M extends Machine>(
  role: PlaneRole<M>,
  machine: M,
  io: DatagramIo,
  stats: Stats,
  port: MessagePort,
  commands: () => void,
): Promise<never> {
  const inbox = new PacketRing(RING_SLOTS, DATAGRAM_BYTES_MAX);
  const outbox = new PacketRing(RING_SLOTS, DATAGRAM_BYTES_MAX);
  let deadline = nowUs() + TICK_US;
  for (;;) {
    sleepUntil(deadline - LEAD_US);
    const draining = io.drain(inbox);
    if (draining) await draining;
    machine.tick(nowUs(), inbox, outbox);
    stats.add('datagrams_received', inbox.count);
    stats.add('bytes_received', sum(inbox));
    stats.add('datagrams_sent', outbox.count);
    stats.add('bytes_sent', sum(outbox));
    inbox.clear();
    sleepUntil(deadline);
    const late = nowUs() - deadline;
    const flushing = io.flush(outbox);
    if (flushing) await flushing;
    outbox.clear();
    if (late > LATE_US) stats.add('late_slots', 1);
    stats.add('ticks', 1);
    stats.set('last_tick_seconds', nowUs() / 1e6);
    const { datagrams, bytes } = role.rate(machine);
    stats.set('configured_datagrams_per_tick', datagrams);
    stats.set('configured_bytes_per_tick', bytes);
    role.gauges(machine, stats);
    role.afterTick?.(machine, port);
    commands();
    deadline += TICK_US;
    if (late > STALL_US) {
      const missed = Math.ceil(late / TICK_US);
      stats.add('late_slots', missed);
      deadline += missed * TICK_US;
    }
  }
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Blocks the thread: the one wait that keeps a deadline to a tenth of a millisecond without native code. */
function sleepUntil(instant: Micros): void {
  const left = instant - nowUs();
  if (left > 0) Atomics.wait(sleeper, 0, 0, left / 1000);
}

function sum(ring: PacketRing): number {
  let bytes = 0;
  for (let i = 0; i < ring.count; i += 1) bytes += ring.lengths[i]!;
  return bytes;
}
