/** What statuses tell of keys that change. Pure. */
import type { KeyState } from '../operator/api/fields.ts';
import { lengthOf } from './text.ts';

/** The newest of each kind. */
export function newestKeys(keys: readonly KeyState[] = []): KeyState[] {
  const newest = new Map<string, KeyState>();
  for (const key of keys) {
    const known = newest.get(kindIn(key));
    if (!known || numberIn(known) < numberIn(key)) newest.set(kindIn(key), key);
  }
  return [...newest.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export const kindIn = ({ name }: KeyState) => name.replace(/-[0-9]+$/, '');
export const numberIn = ({ name }: KeyState) => Number(/[0-9]+$/.exec(name)?.[0]);

/** So long after a key is due has the operator surely looked at it. */
const lateMsMax = 10 * 60_000;

/** Keys whose successor should have been made. */
export const overdue = (keys: readonly KeyState[] | undefined, nowMs: number): KeyState[] =>
  newestKeys(keys).filter(({ expires }) => nowMs - Date.parse(expires) > lateMsMax);

/** circuit-5 3h, link-2 12d: what is left of each. */
export const keysText = (keys: readonly KeyState[] | undefined, nowMs: number): string =>
  newestKeys(keys)
    .map(({ name, expires }) => {
      const leftMs = Date.parse(expires) - nowMs;
      return leftMs < 0 ? `${name} due` : `${name} ${lengthOf(leftMs)}`;
    })
    .join(', ');
