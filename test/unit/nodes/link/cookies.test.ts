import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type Endpoint, parseEndpoint } from '../../../../nodes/core/units.ts';
import { COOKIE_LIFE_US, Cookies } from '../../../../nodes/link/cookies.ts';
import { LINK_COOKIE_BYTES } from '../../../../nodes/wire/constants.ts';
import { SeededRandom } from '../../../sim/random.ts';
import { flipped } from '../support/vectors.ts';

const HERE = parseEndpoint('10.0.0.1:7000')!;
const START = 1_800_000_000_000_000;

function started(seed = 'cookies'): Cookies {
  const cookies = new Cookies(new SeededRandom(seed).fill);
  cookies.renew(START);
  return cookies;
}

test('a cookie is one address’s, and every bit of it counts', () => {
  const cookies = started();
  const endpoint = fc.integer({ min: 0, max: 2 ** 48 - 1 }) as fc.Arbitrary<Endpoint>;
  fc.assert(
    fc.property(endpoint, endpoint, fc.nat({ max: LINK_COOKIE_BYTES * 8 - 1 }), (one, other, bit) => {
      const cookie = cookies.of(one);
      assert.equal(cookie.length, LINK_COOKIE_BYTES);
      assert(cookies.isOf(one, cookie));
      assert.equal(cookies.isOf(other, cookie), one === other);
      assert(!cookies.isOf(one, flipped(cookie, bit)));
    }),
  );
  const [port, address] = ['10.0.0.1:7001', '10.0.0.2:7000'].map((text) => parseEndpoint(text)!);
  assert(!cookies.isOf(port, cookies.of(HERE)) && !cookies.isOf(address, cookies.of(HERE)));
});

test('another node, or the same one after a restart, knows nothing of a cookie', () => {
  assert(!started('another').isOf(HERE, started().of(HERE)));
});

test('a cookie is good for two minutes wherever in a secret’s life it was made, and not for four', () => {
  for (const [madeAt, row] of [0, 1, COOKIE_LIFE_US / 2, COOKIE_LIFE_US - 1].map((at, i) => [at, i + 1] as const)) {
    const cookies = started();
    const step = COOKIE_LIFE_US / 1000;
    let cookie: Buffer | undefined;
    for (let at = 0; at <= 3 * COOKIE_LIFE_US; at += step) {
      cookies.renew(START + at);
      if (at >= madeAt) cookie ??= cookies.of(HERE);
      if (cookie && at <= madeAt + COOKIE_LIFE_US)
        assert(cookies.isOf(HERE, cookie), `row ${row}: ${at - madeAt} µs later`);
      if (cookie && at >= madeAt + 2 * COOKIE_LIFE_US)
        assert(!cookies.isOf(HERE, cookie), `row ${row}: ${at - madeAt} µs`);
    }
  }
});
