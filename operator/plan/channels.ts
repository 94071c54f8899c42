/**
 * Numbers of a zone's channels: each superpeer has as many in a row as it carries. Pure.
 *
 * Property: a superpeer keeps its numbers while it carries as many channels, whoever comes or goes: clients know channels by
 * number, and leave one that has become another superpeer's. What was given is read from the roster that is in force.
 */
import { z } from 'zod';
import { parseJson } from './json.ts';

const Config = z.object({
  zones: z.array(
    z.object({
      zone: z.string(),
      roster: z.array(z.object({ id: z.string(), channels: z.int().optional(), firstChannel: z.int().optional() })),
    }),
  ),
});

export interface Carrier {
  readonly id: string;
  readonly channels: number;
}

export type Numbered = Carrier & { readonly first: number };

/** What a directory's configuration says of a zone's channels; nothing, if somebody has made something else of it. */
export function numbersIn(nodeJson: string | undefined, zone: string): Map<string, Numbered> {
  const config = Config.safeParse(parseJson(nodeJson ?? ''));
  const entries = config.data?.zones.find((served) => served.zone === zone)?.roster ?? [];
  return new Map(
    entries.flatMap(({ id, channels, firstChannel: first }) =>
      channels === undefined || first === undefined ? [] : [[id, { id, channels, first }] as const],
    ),
  );
}

/** First numbers by superpeer. */
export function numberChannels(
  before: ReadonlyMap<string, Numbered>,
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
