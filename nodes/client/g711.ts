/**
 * G.711 µ-law (ITU-T G.711, section 3): 8 bits a sample, logarithmic in eight segments; what profile A's cells carry.
 *
 * Written here because it is twenty lines; the packages for it on npm have had no release since 2019.
 */
const BIAS = 0x84;
const CLIP = 32_635;

export const MULAW_SILENCE = 0xff;

export function encodeMulaw(samples: Int16Array): Uint8Array {
  return Uint8Array.from(samples, (sample) => {
    const magnitude = Math.min(Math.abs(sample), CLIP) + BIAS;
    const segment = 31 - Math.clz32(magnitude) - 7;
    const step = (magnitude >> (segment + 3)) & 0x0f;
    return ~((sample < 0 ? 0x80 : 0) | (segment << 4) | step) & 0xff;
  });
}

const DECODED = Int16Array.from({ length: 256 }, (_value, byte) => {
  const code = ~byte & 0xff;
  const magnitude = ((((code & 0x0f) << 3) + BIAS) << ((code >> 4) & 7)) - BIAS;
  return code & 0x80 ? -magnitude : magnitude;
});

export function decodeMulaw(bytes: Uint8Array): Int16Array {
  return Int16Array.from(bytes, (byte) => DECODED[byte]!);
}
