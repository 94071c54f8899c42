/** How long each fuzzer runs: 2 s as part of the tests, longer when HERD_FUZZ_SECONDS says so. */
export const FUZZ_MS = 1000 * Number(process.env.HERD_FUZZ_SECONDS ?? 2);
