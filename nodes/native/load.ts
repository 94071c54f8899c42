import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/**
 * The native part of the nodes, if it has been built and can be trusted to load: README.md says what is in it. Whoever
 * uses it has a twin in JavaScript, so a node without it is slower and nothing else.
 */
type RingArguments = [
  fd: number,
  bytes: Uint8Array,
  slotBytes: number,
  lengths: Uint16Array,
  endpoints: Float64Array,
  first: number,
  count: number,
];

type AeadArguments = [bytes: Buffer, offset: number, length: number, counter: number, additional?: Uint8Array];

/** What addon.cc exports. A wrong argument is a TypeError or RangeError, whatever it is. */
export interface Native {
  readonly interface: number;
  /** nodes/crypto/aead.ts */
  readonly Aead: new (
    key: Uint8Array,
  ) => { seal(...packet: AeadArguments): void; open(...packet: AeadArguments): boolean };
  /** nodes/host/udp.ts */
  openSocket(port: number, receiveBufferBytes: number): number;
  receive(...ring: RingArguments): number;
  send(...ring: RingArguments): number;
  closeSocket(fd: number): void;
}

/** Raised with addon.cc's. */
const INTERFACE = 1;
const DIGEST_CHARACTERS = 64;

/** Where build.sh puts it. */
export const NATIVE_FILE = fileURLToPath(new URL('./native.node', import.meta.url));

/**
 * Loads what build.sh has built.
 * @throws Error that says why not: there is no such file, it is not whole, it was built for another Node or other sources
 */
export function loadNative(file: string): Native {
  const bytes = readFileSync(file);
  const program = bytes.subarray(0, -DIGEST_CHARACTERS);
  if (bytes.toString('latin1', program.length) !== createHash('sha256').update(program).digest('hex'))
    throw new Error(`${file} is damaged: build it anew`);
  const native = createRequire(import.meta.url)(file) as Native;
  if (native.interface !== INTERFACE)
    throw new Error(`${file} was built from other sources (${native.interface}, not ${INTERFACE}): build it anew`);
  return native;
}

let loaded: Native | undefined;
let failure = '';
try {
  loaded = loadNative(NATIVE_FILE);
} catch (error) {
  failure = (error as Error).message;
}

/** The native part, as this thread found it when it started. */
export const native = loaded;
/** Why there is none; empty if there is. */
export const nativeFailure = failure;
