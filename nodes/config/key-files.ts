import { KEY_KINDS, type KeyKind } from '../crypto/keys.ts';
import { NODE_KEYS_MAX } from './consensus.ts';

/**
 * The names of a node's key files: `link-N` and `circuit-N`, where N is a decimal number that grows.
 *
 * Property: a name stands for one key for ever. So whoever has read a folder has to read it again only when its names
 * have changed.
 */
export const KEY_NUMBER_MAX = 0xffff_ffff;
const NAME = /^(link|circuit)-(0|[1-9][0-9]{0,9})$/;

export interface KeyFile {
  readonly name: string;
  readonly kind: KeyKind;
  readonly number: number;
}

/** The key files among the names of a folder, by kind and number, of each kind the newest NODE_KEYS_MAX. */
export function keyFiles(names: readonly string[]): KeyFile[] {
  const files = names.flatMap((name): KeyFile[] => {
    const [, kind, digits] = NAME.exec(name) ?? [];
    const number = Number(digits);
    return kind !== undefined && number <= KEY_NUMBER_MAX ? [{ name, kind: kind as KeyKind, number }] : [];
  });
  return KEY_KINDS.flatMap((kind) =>
    files
      .filter((file) => file.kind === kind)
      .sort((a, b) => a.number - b.number)
      .slice(-NODE_KEYS_MAX),
  );
}
