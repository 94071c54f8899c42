const blockBytes = 512;
const nameBytes = 100;
const prefixBytes = 155;

export interface TarEntry {
  /** Without a leading slash; a directory's ends in "/". */
  path: string;
  /** Permission bits, e.g. 0o755. */
  mode: number;
  /** None for a directory. */
  content?: Uint8Array;
}

/**
 * Lays out a POSIX ustar archive. The same entries give the same bytes, whatever their order, because a content digest
 * is made of them: sorted by path, owned by root, dated 1970.
 * Returns the pieces rather than one buffer, since some of them are large. Throws when a path does not fit the format.
 */
export function tar(entries: readonly TarEntry[]): Uint8Array[] {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
  const pieces: Uint8Array[] = [];
  for (const entry of sorted) {
    const content = entry.content ?? new Uint8Array();
    pieces.push(header(entry, content.length), content, new Uint8Array(-content.length & (blockBytes - 1)));
  }
  pieces.push(new Uint8Array(2 * blockBytes)); // The end of an archive is two empty blocks.
  return pieces;
}

/** One header block: POSIX.1-1988 ustar, numbers in octal. */
function header(entry: TarEntry, size: number): Uint8Array {
  const block = Buffer.alloc(blockBytes);
  const octal = (value: number, offset: number, digits: number) =>
    block.write(value.toString(8).padStart(digits, '0'), offset);
  const { name, prefix } = splitPath(entry.path);
  block.write(name, 0);
  octal(entry.mode, 100, 7);
  octal(0, 108, 7); // user
  octal(0, 116, 7); // group
  octal(size, 124, 11);
  octal(0, 136, 11); // modification time
  block.write(' '.repeat(8), 148); // the checksum counts as spaces in its own sum
  block.write(entry.path.endsWith('/') ? '5' : '0', 156);
  block.write('ustar\x0000', 257, 'latin1');
  block.write(prefix, 345);
  const checksum = block.reduce((sum, byte) => sum + byte, 0);
  block.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** A path of more than 100 bytes is cut at a slash: the part before it goes to a field of its own. */
function splitPath(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= nameBytes) return { name: path, prefix: '' };
  for (let cut = path.indexOf('/'); cut !== -1; cut = path.indexOf('/', cut + 1)) {
    const prefix = path.slice(0, cut);
    const name = path.slice(cut + 1);
    const fits = Buffer.byteLength(prefix) <= prefixBytes && Buffer.byteLength(name) <= nameBytes;
    if (fits && name !== '') return { name, prefix };
  }
  throw new Error(`the path is too long for an image layer: ${path}`);
}
