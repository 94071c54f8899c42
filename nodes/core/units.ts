/**
 * Quantities that must not be mixed up.
 *
 * Time is integer microseconds in a number: the epoch in microseconds is below 2^51, so it stays exact until 2255.
 */
export type Micros = number;

export const MILLISECOND_US = 1_000;
export const SECOND_US = 1_000_000;

/** An IPv4 address and a UDP port in one number, address · 65536 + port (48 bits): comparable without an object. */
export type Endpoint = number & { readonly endpoint: unique symbol };

const OCTET = /^(?:0|[1-9][0-9]{0,2})$/;

/** Parses `a.b.c.d:port`; undefined when it is not one. Port 0 is refused: nothing can be sent to it. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [address = '', port = '', ...rest] = text.split(':');
  const octets = address.split('.');
  if (rest.length > 0 || octets.length !== 4 || !/^[1-9][0-9]{0,4}$/.test(port)) return undefined;
  if (octets.some((octet) => !OCTET.test(octet) || Number(octet) > 255) || Number(port) > 65535) return undefined;
  const ip = octets.reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return (ip * 65536 + Number(port)) as Endpoint;
}

export function endpointAddress(endpoint: Endpoint): string {
  const ip = Math.floor(endpoint / 65536);
  return `${(ip >>> 24) & 255}.${(ip >>> 16) & 255}.${(ip >>> 8) & 255}.${ip & 255}`;
}

export function endpointPort(endpoint: Endpoint): number {
  return endpoint % 65536;
}
