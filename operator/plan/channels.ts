/**
 * A zone's channels: each superpeer has as many numbers in a row as it carries, and each number a mix. Pure.
 *
 * Properties: a superpeer keeps its numbers while it carries as many channels, whoever comes or goes: clients know channels by
 * number, and leave one that has become another superpeer's. A channel keeps its mix as far as nodes/config/dealing.ts says.
 * What was given is read from the roster that is in force.
 */
import { z } from 'zod';
import { type Dealt, dealChannels } from '../../nodes/config/dealing.ts';
import type { RosterEntry } from '../objects/config.ts';
import { parseJson } from './json.ts';

const Config = z.object({
  zones: z.array(
    z.object({
      zone: z.string(),
      roster: z.array(
        z.object({
          id: z.string(),
          channels: z.int().optional(),
          firstChannel: z.int().optional(),
          dealt: z.array(z.object({ mix: z.string(), standby: z.string().optional() })).default([]),
        }),
      ),
    }),
  ),
});

export interface Carrier {
  readonly id: string;
  readonly channels: number;
}

type Places = NonNullable<RosterEntry['dealt']>;
export type Numbered = Carrier & { readonly first: number; readonly dealt: Places };

/** What a directory's configuration says of a zone's channels; nothing, if somebody has made something else of it. */
export function numbersIn(nodeJson: string | undefined, zone: string): Map<string, Numbered> {
  const config = Config.safeParse(parseJson(nodeJson ?? ''));
  const entries = config.data?.zones.find((served) => served.zone === zone)?.roster ?? [];
  return new Map(
    entries.flatMap(({ id, channels, firstChannel: first, dealt }) =>
      channels === undefined || first === undefined ? [] : [[id, { id, channels, first, dealt }] as const],
    ),
  );
}

/**
 * The roster with its superpeers' numbers and their channels' mixes. Where mixes are still to come (not `isWhole`) nothing is
 * dealt anew, so that it does not matter which has its key first: the directory deals meanwhile.
 */
export function channelled(
  before: ReadonlyMap<string, Numbered>,
  roster: readonly RosterEntry[],
  { isWhole, hasStandby }: { readonly isWhole: boolean; readonly hasStandby: boolean },
): RosterEntry[] {
  const carriers = roster.flatMap(({ id, channels }) => (channels === undefined ? [] : [{ id, channels }]));
  const first = numberChannels(before, carriers);
  const known = [...before.values()].flatMap(({ id: superpeer, channels, first: from, dealt }) =>
    dealt.slice(0, channels).map((place, index): Dealt => ({ id: from + index, superpeer, ...place })),
  );
  const carried = carriers.flatMap(({ id: superpeer, channels }) =>
    Array.from({ length: channels }, (_, index) => ({ id: first.get(superpeer)! + index, superpeer })),
  );
  const mixes = roster.filter(({ role }) => role === 'mix');
  const now = isWhole ? dealChannels(known, carried, mixes, hasStandby) : known;
  const placesOf = Map.groupBy(now, ({ superpeer }) => superpeer);
  return roster.map((entry) => {
    const firstChannel = first.get(entry.id);
    if (firstChannel === undefined) return entry;
    const places = (placesOf.get(entry.id) ?? []).filter(({ id }) => id >= firstChannel);
    const dealt = places.slice(0, entry.channels!).map(({ mix, standby }) => ({
      mix,
      ...(standby !== undefined && { standby }),
    }));
    return { ...entry, firstChannel, dealt };
  });
}

/** First numbers by superpeer. */
export function numberChannels(
  before: ReadonlyMap<string, Carrier & { readonly first: number }>,
  carriers: readonly Carrier[],
): Map<string, number> {
  const first = new Map<string, number>();
  const taken: { from: number; to: number }[] = [];
  const isFree = (from: number, to: number) => taken.every((range) => to <= range.from || from >= range.to);
  const take = ({ id, channels }: Carrier, from: number) => {
    first.set(id, from);
    taken.push({ from, to: from + channels });
  };
  const byId = [...carriers].sort((a, b) => (a.id < b.id ? -1 : 1));
  for (const carrier of byId) {
    const known = before.get(carrier.id);
    if (known?.channels === carrier.channels && isFree(known.first, known.first + carrier.channels))
      take(carrier, known.first);
  }
  for (const carrier of byId) {
    if (first.has(carrier.id)) continue;
    const starts = [1, ...taken.map(({ to }) => to)].sort((a, b) => a - b);
    take(carrier, starts.find((from) => isFree(from, from + carrier.channels))!);
  }
  return first;
}
