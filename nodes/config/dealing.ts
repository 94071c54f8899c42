/**
 * Which mix has which channel of a zone, and which stands by for it: said by the operator and by directories, with this one
 * function. Pure.
 *
 * Properties: mixes that stay have the same number of channels, but for one. No more channels change their mix than that
 * takes. One that does keeps the mix before as its standby, as long as the roster has it: who is attached there need not
 * go at once. To deal what has been dealt changes nothing.
 */

/** A channel, by its number, and who carries it. */
export interface Carried {
  readonly id: number;
  readonly superpeer: string;
}

/** As in the consensus. */
export interface Dealt extends Carried {
  readonly mix: string;
  readonly standby?: string | undefined;
}

export interface DealtMix {
  readonly id: string;
  /** It keeps no channel while there is another mix, but may stand by. */
  readonly draining?: boolean | undefined;
}

/** What a mix has while channels are dealt. */
interface Hand {
  readonly mix: string;
  /** BOUNDED: by the channels. */
  held: Carried[];
  /** How many more it takes; less than 0: how many it gives up. */
  room: number;
}

const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/**
 * Deals a zone's channels. A number that another superpeer carries than before is a new channel.
 * @param channels no number twice
 * @param hasStandby whether channels have standby mixes where there is more than one
 */
export function dealChannels(
  before: readonly Dealt[],
  channels: readonly Carried[],
  mixes: readonly DealtMix[],
  hasStandby: boolean,
): Dealt[] {
  const staying = mixes.filter(({ draining }) => !draining);
  const takers = (staying.length > 0 ? staying : mixes).map(({ id }) => id).sort(byText);
  if (takers.length === 0) return [];
  const byNumber = [...channels].sort((a, b) => a.id - b.id);
  const superpeerOf = new Map(byNumber.map(({ id, superpeer }) => [id, superpeer]));
  const known = new Map(before.filter(({ id, superpeer }) => superpeerOf.get(id) === superpeer).map((d) => [d.id, d]));
  const mixOf = dealMixes(known, byNumber, takers);
  if (!hasStandby) return byNumber.map((channel) => ({ ...channel, mix: mixOf.get(channel.id)! }));
  const standbyOf = dealStandbys(known, mixOf, takers, new Set(mixes.map(({ id }) => id)));
  return byNumber.map((channel) => {
    const standby = standbyOf.get(channel.id);
    return { ...channel, mix: mixOf.get(channel.id)!, ...(standby !== undefined && { standby }) };
  });
}

function dealMixes(
  known: ReadonlyMap<number, Dealt>,
  channels: readonly Carried[],
  takers: readonly string[],
): ReadonlyMap<number, string> {
  const hands = takers.map((mix): Hand => ({ mix, held: [], room: 0 }));
  const handOf = new Map(hands.map((hand) => [hand.mix, hand]));
  const homeless: Carried[] = [];
  for (const channel of channels) {
    const hand = handOf.get(known.get(channel.id)?.mix ?? '');
    if (hand) hand.held.push(channel);
    else homeless.push(channel);
  }
  // Who has most may keep the one more that does not divide.
  const [share, rest] = [Math.floor(channels.length / hands.length), channels.length % hands.length];
  const byHeld = [...hands].sort((a, b) => b.held.length - a.held.length || byText(a.mix, b.mix));
  for (const [index, hand] of byHeld.entries()) hand.room = share + (index < rest ? 1 : 0) - hand.held.length;
  const isShort = (mix: string | undefined) => (handOf.get(mix ?? '')?.room ?? 0) > 0;
  for (const hand of hands) {
    if (hand.room >= 0) continue;
    const leastMissed = leastMissedFirst(hand.held, ({ id }) => isShort(known.get(id)?.standby));
    homeless.push(...leastMissed.slice(0, -hand.room));
    hand.held = leastMissed.slice(-hand.room);
    hand.room = 0;
  }
  const carriedBy = new Map(hands.map(({ mix, held }) => [mix, countsOf(held.map(({ superpeer }) => superpeer))]));
  for (const channel of homeless.sort((a, b) => a.id - b.id)) {
    const carried = ({ mix }: Hand) => carriedBy.get(mix)!.get(channel.superpeer) ?? 0;
    const stoodBy = ({ mix }: Hand) => (known.get(channel.id)?.standby === mix ? 0 : 1);
    const hand = least(
      hands.filter(({ room }) => room > 0),
      (a, b) => stoodBy(a) - stoodBy(b) || carried(a) - carried(b) || a.held.length - b.held.length,
    )!;
    hand.held.push(channel);
    hand.room -= 1;
    carriedBy.get(hand.mix)!.set(channel.superpeer, carried(hand) + 1);
  }
  return new Map(hands.flatMap(({ mix, held }) => held.map(({ id }) => [id, mix] as const)));
}

/**
 * What a mix gives up first: channels that only change places with their standby, since these cost nobody an attachment;
 * then those of superpeers of which it has more, since a client wants a superpeer once.
 */
function leastMissedFirst(held: readonly Carried[], isSwap: (channel: Carried) => boolean): Carried[] {
  const seen = new Map<string, number>();
  const ranked = held.map((channel) => {
    const nth = seen.get(channel.superpeer) ?? 0;
    seen.set(channel.superpeer, nth + 1);
    return { channel, nth, swap: isSwap(channel) ? 0 : 1 };
  });
  ranked.sort((a, b) => a.swap - b.swap || b.nth - a.nth || b.channel.id - a.channel.id);
  return ranked.map(({ channel }) => channel);
}

/** A standby stays while the roster has it; a new one is that with which the mix has the fewest channels in common. */
function dealStandbys(
  known: ReadonlyMap<number, Dealt>,
  mixOf: ReadonlyMap<number, string>,
  takers: readonly string[],
  listed: ReadonlySet<string>,
): ReadonlyMap<number, string> {
  const standbyOf = new Map<number, string>();
  for (const [id, mix] of mixOf) {
    const last = known.get(id);
    const kept = [last?.mix, last?.standby].find((one) => one !== undefined && one !== mix && listed.has(one));
    if (kept !== undefined) standbyOf.set(id, kept);
  }
  const pairs = countsOf([...standbyOf].map(([id, standby]) => `${mixOf.get(id)} ${standby}`));
  for (const id of [...mixOf.keys()].sort((a, b) => a - b)) {
    const mix = mixOf.get(id)!;
    if (standbyOf.has(id)) continue;
    const at = takers.indexOf(mix);
    const others = [...takers.slice(at + 1), ...takers.slice(0, at)];
    const shared = (other: string) => pairs.get(`${mix} ${other}`) ?? 0;
    const standby = least(others, (a, b) => shared(a) - shared(b));
    if (standby === undefined) continue;
    standbyOf.set(id, standby);
    pairs.set(`${mix} ${standby}`, shared(standby) + 1);
  }
  return standbyOf;
}

function countsOf(names: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

/** The first of the least ones. */
function least<T>(among: readonly T[], compare: (a: T, b: T) => number): T | undefined {
  return among.reduce<T | undefined>(
    (best, one) => (best === undefined || compare(one, best) < 0 ? one : best),
    undefined,
  );
}
