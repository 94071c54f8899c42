/**
 * Telephone recordings as files: RIFF WAVE with 16-bit PCM samples, one channel, 8000 samples a second; nothing else.
 * Layout: "Multimedia Programming Interface and Data Specifications 1.0", Microsoft and IBM, 1991.
 */

export const SAMPLE_RATE_HZ = 8000;

const HEADER_BYTES = 44;
/** What the fields of the `fmt ` chunk must hold: name, offset in the chunk, bytes, value. */
const FORMAT = [
  ['format tag', 0, 2, 1],
  ['channels', 2, 2, 1],
  ['sample rate', 4, 4, SAMPLE_RATE_HZ],
  ['bits per sample', 14, 2, 16],
] as const;

/**
 * The samples of a recording.
 * @throws {Error} naming every field that differs from 8 kHz mono PCM16, or the part of the file that is missing.
 */
export function readWav(file: Uint8Array): Int16Array {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WAVE') {
    throw new Error('not a WAV file: it does not begin with RIFF ... WAVE');
  }
  const format = chunk(bytes, 'fmt ');
  if (format.length < 16) throw new Error(`not a WAV file: its fmt chunk has ${format.length} bytes, not 16 or more`);
  const problems = FORMAT.map(([name, offset, width, want]) => ({ name, want, is: format.readUIntLE(offset, width) }))
    .filter(({ want, is }) => is !== want)
    .map(({ name, want, is }) => `${name} is ${is}, must be ${want}`);
  if (problems.length > 0) throw new Error(`not an 8 kHz mono PCM16 WAV file: ${problems.join('; ')}`);
  const data = chunk(bytes, 'data');
  return Int16Array.from({ length: data.length >> 1 }, (_, i) => data.readInt16LE(2 * i));
}

/** A WAV file that holds these samples. */
export function writeWav(samples: Int16Array): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES + 2 * samples.length);
  bytes.write('RIFF', 0, 'latin1');
  bytes.writeUInt32LE(bytes.length - 8, 4);
  bytes.write('WAVEfmt ', 8, 'latin1');
  bytes.writeUInt32LE(16, 16);
  for (const [, offset, width, value] of FORMAT) bytes.writeUIntLE(value, 20 + offset, width);
  bytes.writeUInt32LE(2 * SAMPLE_RATE_HZ, 28); // bytes a second
  bytes.writeUInt16LE(2, 32); // bytes a sample, all channels
  bytes.write('data', 36, 'latin1');
  bytes.writeUInt32LE(2 * samples.length, 40);
  for (let i = 0; i < samples.length; i++) bytes.writeInt16LE(samples[i], HEADER_BYTES + 2 * i);
  return bytes;
}

/** The body of the first chunk of that name; chunks are padded to even lengths. */
function chunk(bytes: Buffer, name: string): Buffer {
  for (let at = 12, length = 0; at + 8 <= bytes.length; at += 8 + length + (length & 1)) {
    length = bytes.readUInt32LE(at + 4);
    if (bytes.toString('latin1', at, at + 4) !== name) continue;
    if (at + 8 + length > bytes.length) throw new Error(`cut WAV file: its ${name.trim()} chunk ends too early`);
    return bytes.subarray(at + 8, at + 8 + length);
  }
  throw new Error(`not a WAV file: it has no ${name.trim()} chunk`);
}
