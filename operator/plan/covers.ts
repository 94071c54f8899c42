/**
 * Does what is there have all that we want? The server adds defaults to objects but not elements to our lists, so every
 * field that we name must be there with our value, and lists must be as long.
 */
export function covers(observed: unknown, wanted: unknown): boolean {
  if (wanted === undefined) return true;
  if (Array.isArray(wanted)) {
    if (!Array.isArray(observed) || observed.length !== wanted.length) return false;
    return wanted.every((item, i) => covers(observed[i], item));
  }
  if (typeof wanted === 'object' && wanted !== null) {
    if (typeof observed !== 'object' || observed === null) return false;
    return Object.entries(wanted).every(([key, value]) => covers((observed as Record<string, unknown>)[key], value));
  }
  return observed === wanted;
}
