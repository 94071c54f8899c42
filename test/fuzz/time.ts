/** How long each fuzzer runs: 2 s as part of the tests, longer when HERD_FUZZ_SECONDS says so. */
export const FUZZ_MS = 1000 * Number(process.env.HERD_FUZZ_SECONDS ?? 2);

/** For fast-check: as many runs as there is time for, of which `share` is this property's. The seed of a failure is in its message. */
export const forAWhile = (share = 1) => ({
  numRuns: Number.MAX_SAFE_INTEGER,
  interruptAfterTimeLimit: FUZZ_MS * share,
  markInterruptAsFailure: false,
});
