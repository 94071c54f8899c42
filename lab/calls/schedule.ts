export interface Pair {
  /** Zone of the client that places the call and listens. */
  readonly from: string;
  /** Zone of the client that is called and whose recording is heard. */
  readonly to: string;
}

/**
 * Every ordered pair of zones once, in rounds whose pairs share no zone: all calls of a round can run at once and no
 * client is in two. Twelve pairs of four zones make 6 rounds of 2.
 *
 * The circle method for tournaments: one zone stays, the others move on by one place a round, and each plays the one
 * across. A second tournament with the sides exchanged gives the calls back. With an odd number of zones one rests.
 * @throws {RangeError} if a zone is named twice.
 */
export function rounds(zones: readonly string[]): Pair[][] {
  const twice = zones.filter((zone, i) => zones.indexOf(zone) !== i);
  if (twice.length > 0) throw new RangeError(`zones must differ; named twice: ${twice.join(', ')}`);
  const [fixed, ...moving]: (string | undefined)[] = zones.length % 2 === 0 ? [...zones] : [undefined, ...zones];
  const there = moving.map((_, round) => {
    const ring = [fixed, ...moving.slice(round), ...moving.slice(0, round)];
    return Array.from({ length: ring.length / 2 }, (_, i) => ({ from: ring[i], to: ring[ring.length - 1 - i] })).filter(
      (pair): pair is Pair => pair.from !== undefined && pair.to !== undefined,
    );
  });
  const back = there.map((pairs) => pairs.map(({ from, to }) => ({ from: to, to: from })));
  return [...there, ...back].filter((pairs) => pairs.length > 0);
}
