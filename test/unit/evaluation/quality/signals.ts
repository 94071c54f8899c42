/** Sounds for tests: seeded, so that a failure comes back. */
import { FRAME_SAMPLES } from '../../../../evaluation/quality/compare.ts';
import { SAMPLE_RATE_HZ } from '../../../../nodes/client/wav.ts';

/** Uniform numbers in 0..1 from a seed (Park and Miller's generator). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** Four syllables a second, each with a gliding pitch, ten harmonics and a little breath; pauses between phrases. */
export function speechLike(seconds: number, seed: number): Int16Array {
  const rng = random(seed);
  const samples = new Int16Array(seconds * SAMPLE_RATE_HZ);
  const syllable = SAMPLE_RATE_HZ / 4;
  for (let start = 0; start < samples.length; start += syllable) {
    if (rng() < 0.2) continue;
    const pitchHz = 90 + 120 * rng();
    const glide = 0.2 * (rng() - 0.5);
    const weights = Array.from({ length: 10 }, (_, h) => rng() / (h + 1));
    for (let i = 0; i < syllable && start + i < samples.length; i++) {
      const phase = (2 * Math.PI * pitchHz * i * (1 + (glide * i) / syllable)) / SAMPLE_RATE_HZ;
      const voice = weights.reduce((sum, weight, h) => sum + weight * Math.sin((h + 1) * phase), 0);
      const loudness = 9000 * Math.sin((Math.PI * i) / syllable) ** 2;
      samples[start + i] = Math.round(loudness * (voice + 0.05 * (rng() - 0.5)));
    }
  }
  return samples;
}

export function noise(seconds: number, seed: number): Int16Array {
  const rng = random(seed);
  return Int16Array.from({ length: seconds * SAMPLE_RATE_HZ }, () => Math.round(8000 * (rng() - 0.5)));
}

/** The recording, `ms` later (silence before) or earlier (its beginning cut). */
export function delayed(samples: Int16Array, ms: number): Int16Array {
  const lag = (ms * SAMPLE_RATE_HZ) / 1000;
  if (lag < 0) return samples.slice(-lag);
  const result = new Int16Array(samples.length + lag);
  result.set(samples, lag);
  return result;
}

/** The recording with this share of its frames, chosen at random, replaced by silence. */
export function withLoss(samples: Int16Array, share: number, seed: number): Int16Array {
  const rng = random(seed);
  const result = samples.slice();
  for (let start = 0; start < result.length; start += FRAME_SAMPLES) {
    if (rng() < share) result.fill(0, start, start + FRAME_SAMPLES);
  }
  return result;
}

/** What µ-law at 8 bits (G.711) leaves of a sample: 8 segments, 16 steps in each. */
export function throughMuLaw(samples: Int16Array): Int16Array {
  return samples.map((sample) => {
    const biased = Math.min(32635, Math.abs(sample)) + 132;
    const segment = 31 - Math.clz32(biased >> 7);
    const step = 2 ** (segment + 3);
    return Math.sign(sample) * (Math.floor(biased / step) * step + step / 2 - 132);
  });
}
