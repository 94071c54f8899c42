import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { readWav, writeWav } from '../../../../nodes/client/wav.ts';

const SAMPLES = Int16Array.of(0, 1, -1, 32767, -32768);

/** A recording whose two- or four-byte field at `offset` of the file is changed. */
function changed(...fields: [offset: number, bytes: number, value: number][]): Buffer {
  const file = writeWav(SAMPLES);
  for (const [offset, bytes, value] of fields) file.writeUIntLE(value, offset, bytes);
  return file;
}

test('reads back the samples that it wrote', () => {
  fc.assert(fc.property(fc.int16Array(), (samples) => assert.deepEqual(readWav(writeWav(samples)), samples)));
});

test('writes the header that the format lays down', () => {
  const header = writeWav(SAMPLES).subarray(0, 44);
  assert.equal(
    header.toString('hex'),
    '524946462e00000057415645666d74201000000001000100401f0000803e0000020010006461746' + '10a000000',
  );
});

test('passes over chunks that it does not know, padded ones too', () => {
  const file = writeWav(SAMPLES);
  const note = Buffer.from('LIST\x03\0\0\0abc\0', 'latin1');
  assert.deepEqual(readWav(Buffer.concat([file.subarray(0, 36), note, file.subarray(36)])), SAMPLES);
});

test('names every field of a format that is not 8 kHz mono PCM16', () => {
  assert.throws(
    () => readWav(changed([20, 2, 3], [22, 2, 2], [24, 4, 22050], [34, 2, 32])),
    /format tag is 3, must be 1; channels is 2, must be 1; sample rate is 22050, must be 8000; bits per sample is 32, must be 16/,
  );
});

test('says which part of the file is missing', () => {
  const file = writeWav(SAMPLES);
  assert.throws(() => readWav(Buffer.from('nothing')), /does not begin with RIFF/);
  assert.throws(() => readWav(file.subarray(0, 36)), /it has no data chunk/);
  assert.throws(() => readWav(file.subarray(0, 50)), /its data chunk ends too early/);
  assert.throws(() => readWav(changed([16, 4, 4])), /its fmt chunk has 4 bytes/);
});
