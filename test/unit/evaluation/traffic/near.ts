import assert from 'node:assert/strict';

/** Equal but for a share of `tolerance`. */
export function assertNear(is: number, should: number, tolerance: number, message = ''): void {
  assert.ok(Math.abs(is - should) <= tolerance * Math.abs(should), `${message} is ${is}, should be ${should}`);
}
