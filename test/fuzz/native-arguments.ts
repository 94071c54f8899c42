import dgram from 'node:dgram';
import { once } from 'node:events';
import { inspect, isDeepStrictEqual } from 'node:util';
import { AEAD_TAG_BYTES, NodeAead } from '../../nodes/crypto/aead.ts';
import { loadNative } from '../../nodes/native/load.ts';
import { SeededRandom } from '../sim/random.ts';

/**
 * native-arguments.ts FILE SEED MS: calls the addon in FILE with arguments that are right, nearly right and nothing of
 * the sort, and fails when a call does not throw that should, throws what is no TypeError or RangeError, or does something
 * else than the twin. native.test.ts runs it on the sanitised addon; what it prints is how often each thing happened.
 */
const [file, seed, milliseconds] = process.argv.slice(2) as [string, string, string];
const { Aead, openSocket, receive, send, closeSocket } = loadNative(file);
const random = new SeededRandom(seed);
const below = (limit: number) => Math.floor(random.next() * limit);
const pick = <T>(values: readonly T[]) => values[below(values.length)]!;
const chance = (share: number) => random.next() < share;
const bytesOf = (length: number) => {
  const bytes = Buffer.alloc(length);
  random.fill(bytes);
  return bytes;
};

const happened: Record<string, number> = {};
const count = (what: string) => {
  happened[what] = (happened[what] ?? 0) + 1;
};

/** What a call came to: its result, or the name of its error. */
function outcome(call: () => unknown): { result?: unknown; error?: string } {
  try {
    return { result: call() };
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    return { error: error.name };
  }
}

function check(holds: boolean, what: string, ...values: unknown[]): void {
  if (!holds) throw new Error([what, ...values.map((value) => String(value))].join(' '));
}

const NUMBERS = [-1, -0, 0.5, 1e-300, 65_535, 65_536, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53];
const ODD_NUMBERS = [...NUMBERS, -(2 ** 31), 2 ** 63, 2 ** 64, 1e308, Number.NaN, Infinity, -Infinity];

function detached(): Uint8Array {
  const bytes = new Uint8Array(300);
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
  return bytes;
}

/** A view that a shrunken buffer has left behind. */
function outOfBounds(): Uint8Array {
  const buffer = new ArrayBuffer(300, { maxByteLength: 300 });
  const bytes = new Uint8Array(buffer, 100, 200);
  buffer.resize(200);
  return bytes;
}

/** Nothing that any argument may be, but for the empty arrays, which some may. */
const STRANGERS: readonly (() => unknown)[] = [
  () => undefined,
  () => null,
  () => 'text',
  () => 7n,
  () => Symbol('symbol'),
  () => ({ length: 32, byteLength: 32, buffer: new ArrayBuffer(32), byteOffset: 0 }),
  () => Array.from({ length: 32 }, () => 0),
  () => new ArrayBuffer(64),
  () => new DataView(new ArrayBuffer(64)),
  () => new Uint8ClampedArray(64),
  () => new Int8Array(64),
  () => new Float32Array(64),
  () => new BigUint64Array(64),
  () => new Proxy(new Uint8Array(64), {}),
  () => ({ valueOf: () => 8 }),
  () => new Aead(bytesOf(32)),
  () => Aead,
];

/** Bytes in memory of their own, so that the first one behind them is nobody's; sometimes shared, growable, or within more. */
function memory(length: number): Buffer {
  switch (below(6)) {
    case 0:
      return Buffer.from(new SharedArrayBuffer(length));
    case 1:
      return Buffer.from(new ArrayBuffer(length, { maxByteLength: length + 64 }));
    case 2:
      return Buffer.from(new ArrayBuffer(length + 48), 16, length);
    default:
      return Buffer.from(new ArrayBuffer(length));
  }
}

const keys = Array.from({ length: 8 }, () => bytesOf(32));
const ciphers = keys.map((key) => ({ native: new Aead(key), twin: new NodeAead(key) }));

/** A packet whose arguments are of the right types, in their ranges or not: it has to do what the twin does. */
function packet(): void {
  const { native, twin } = pick(ciphers);
  const size = chance(0.05) ? 65_535 + below(64) : below(420);
  const bytes = memory(size);
  random.fill(bytes);
  const fitting = below(Math.max(1, size - AEAD_TAG_BYTES + 1));
  const length = chance(0.8) ? fitting + pick([0, 0, 0, 0, 1]) : pick(ODD_NUMBERS);
  const last = Math.max(0, size - AEAD_TAG_BYTES - fitting);
  const offset = chance(0.8) ? below(last + 1) + pick([0, 0, 0, 0, 1]) : pick(ODD_NUMBERS);
  const counter = chance(0.8) ? below(2 ** 48) : pick(ODD_NUMBERS);
  const additional = chance(0.5) ? undefined : memory(below(40));
  const twins = Buffer.from(bytes);
  const sealed = outcome(() => native.seal(bytes, offset, length, counter, additional));
  const twinSealed = outcome(() => twin.seal(twins, offset, length, counter, additional));
  const what = [size, offset, length, counter, additional?.length];
  check(isDeepStrictEqual(sealed, twinSealed) && bytes.equals(twins), 'seal is not the twin’s:', ...what);
  count(sealed.error ? 'seal refused' : 'sealed');
  if (size > 0 && chance(0.5)) {
    const bit = below(size * 8);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    twins[bit >> 3]! ^= 1 << (bit & 7);
  }
  const opened = outcome(() => native.open(bytes, offset, length, counter, additional));
  const twinOpened = outcome(() => twin.open(twins, offset, length, counter, additional));
  check(isDeepStrictEqual(opened, twinOpened) && bytes.equals(twins), 'open is not the twin’s:', ...what);
  count(opened.error ? 'open refused' : opened.result ? 'opened' : 'did not open');
}

/** A packet of which one argument is no such thing at all. */
function strangePacket(): void {
  const { native } = pick(ciphers);
  const call = pick([native.seal, native.open]) as (...args: unknown[]) => unknown;
  const bytes = memory(64);
  const args: unknown[] = [bytes, 8, 16, 1, memory(8)];
  const at = below(args.length);
  const stranger = pick(STRANGERS)();
  if (at === 4 && stranger === undefined) return;
  args[at] = stranger;
  const before = Buffer.from(bytes);
  check(outcome(() => call.apply(native, args)).error === 'TypeError', 'argument', at, 'was taken:', typeof stranger);
  const receiver = chance(0.5) ? stranger : native;
  const none = outcome(() => call.apply(receiver, args.slice(0, below(4))));
  check(none.error === 'TypeError', 'too few arguments or no receiver were taken');
  check(bytes.equals(before), 'bytes changed');
  for (const gone of [detached(), outOfBounds()]) {
    check(outcome(() => native.open(gone as Buffer, 0, 0, 0)).result === false, 'opened where nothing is');
    check(outcome(() => native.seal(gone as Buffer, 0, 0, 0)).error === 'RangeError', 'sealed where nothing is');
    outcome(() => native.seal(bytes, 0, 8, 0, gone));
  }
  count('packet of strangers');
}

function strangeKey(): void {
  const given = chance(0.5) ? pick(STRANGERS)() : pick([detached, outOfBounds, () => memory(pick([0, 31, 33, 64]))])();
  check(outcome(() => new Aead(given as Uint8Array)).error !== undefined, 'took as a key:', typeof given);
  check(outcome(() => Reflect.apply(Aead, {}, [keys[0]])).error === 'TypeError', 'made without new');
  // Each leaves its cipher to the collector.
  const at = below(keys.length);
  const key = memory(32);
  keys[at]!.copy(key);
  ciphers[at] = { native: new Aead(key), twin: new NodeAead(key) };
  count('key of strangers');
}

async function freePort(): Promise<number> {
  const socket = dgram.createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

const SLOTS = 70; // more than the 64 of a system call
const LOOPBACK = 0x7f00_0001 * 65_536;
const port = await freePort();
const listening = openSocket(port, 1 << 20);
const sending = openSocket(0, 0);
/** Ours, nobody's, and 0, which is no socket here: no call may touch another. */
const DESCRIPTORS = [listening, sending, listening, sending, -1, 2 ** 30, 0];
/** None of which a packet leaves this machine for. */
const ENDPOINTS = [LOOPBACK + port, LOOPBACK + port, LOOPBACK + port, LOOPBACK + 9, 0, LOOPBACK + port + 0.5];
const NO_ENDPOINTS = [-1, 2 ** 48, 2 ** 60, 1e300, Number.NaN, -Infinity, Infinity];

/** A ring that is right or has one thing in it that is not. */
function ring(): void {
  const slotBytes = pick([1, 8, 100, 1280]);
  const slots = pick([1, 2, 63, 64, SLOTS]);
  const lengths = new Uint16Array(slots).map(() => below(slotBytes + 1));
  const endpoints = new Float64Array(slots).map(() => pick(ENDPOINTS));
  const first = below(slots + 1);
  const end = first + below(slots - first + 1);
  const args: unknown[] = [pick(DESCRIPTORS), memory(slots * slotBytes), slotBytes, lengths, endpoints, first, end];
  let wrong = chance(0.5);
  const isSend = chance(0.5);
  if (wrong) {
    const at = 1 + below(6);
    const one = first + below(Math.max(1, end - first));
    const ways = [
      () => {
        args[at] = pick(STRANGERS)();
      },
      () => {
        args[1] = pick([detached, outOfBounds, () => memory(Math.max(0, end * slotBytes - 1))])();
        wrong = end > 0;
      },
      () => {
        args[pick([3, 4])] = pick([
          new Uint16Array(0),
          new Float64Array(0),
          new Uint16Array(new ArrayBuffer(2)).subarray(1),
        ]);
        wrong = end > 0 || args[3] instanceof Float64Array || args[4] instanceof Uint16Array;
      },
      () => {
        args[6] = slots + 1 + below(3);
      },
      () => {
        args[5] = end + 1 + below(2 ** 31);
      },
      () => {
        args[2] = pick([0, 65_536, -1, 2 ** 31]);
      },
      () => {
        lengths[one] = slotBytes + 1 + below(1000);
        wrong = isSend && one < end;
      },
      () => {
        endpoints[one] = pick(NO_ENDPOINTS);
        wrong = isSend && one < end;
      },
      () => {
        args.pop();
      },
    ];
    pick(ways)();
  }
  const call = (isSend ? send : receive) as (...args: unknown[]) => unknown;
  const { result, error } = outcome(() => call(...args));
  const name = isSend ? 'send' : 'receive';
  check(wrong === (error !== undefined), name, wrong ? 'took' : 'refused', inspect(args, { maxArrayLength: 2 }));
  if (!wrong && isSend) check((result as number) <= end - first, 'sent more than there was');
  if (!wrong && !isSend) check((result as number) >= first && (result as number) <= end, 'received', result);
  count(wrong ? `${name} refused` : name);
  if (!isSend && (result as number) > first) count('received something');
}

function strangeSocket(): void {
  const call = pick([openSocket, closeSocket]) as (...args: unknown[]) => unknown;
  check(outcome(() => call(pick(STRANGERS)(), 1)).error === 'TypeError', 'opened or closed a stranger');
  check(outcome(() => openSocket(pick([65_536, -1, 2 ** 31]), 0)).error === 'TypeError', 'opened no port');
  count('socket of strangers');
}

const kinds = [packet, packet, packet, ring, ring, ring, strangePacket, strangeKey, strangeSocket];
const end = Date.now() + Number(milliseconds);
while (Date.now() < end) pick(kinds)();
for (const fd of [listening, sending]) closeSocket(fd);
process.stdout.write(JSON.stringify(happened));
