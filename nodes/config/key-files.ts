import { NODE_KEYS_MAX } from './consensus.ts';

/**
 * The names of key files: a prefix that says what the key is for, and `-N`, where N is a decimal number that grows.
 *
 * Property: a name stands for one key for ever. So whoever has read a folder has to read it again only when its names
 * have changed.
 */
export const KEY_NUMBER_MAX = 0xffff_ffff;
const NUMBER = /^(?:0|[1-9][0-9]{0,9})$/;

export interface KeyFile {
  readonly name: string;
  readonly number: number;
}

/** The key files with that prefix among the names of a folder, by number, the newest NODE_KEYS_MAX. */
export function keyFiles(names: readonly string[], prefix: string): KeyFile[] {
  return names
    .filter((name) => name.startsWith(`${prefix}-`) && NUMBER.test(name.slice(prefix.length + 1)))
    .map((name) => ({ name, number: Number(name.slice(prefix.length + 1)) }))
    .filter(({ number }) => number <= KEY_NUMBER_MAX)
    .sort((a, b) => a.number - b.number)
    .slice(-NODE_KEYS_MAX);
}
