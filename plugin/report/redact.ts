/**
 * Takes out of texts what helps nobody who helps, and would harm: addresses, keys, tokens. Pure.
 *
 * Property: the same address or key becomes the same word within a report, so that one can see what is equal, and nothing
 * of it is left. What looks like one and is none is masked as well.
 */
import { isIPv4, isIPv6 } from 'node:net';

const pem = /-----BEGIN [^-]+-----[\s\S]*?(-----END [^-]+-----|$)/g;
const jwt = /\beyJ[\w-]+\.[\w-]+\.[\w-]*/g;
const bearer = /\b(Bearer|Basic)\s+[^\s"',;]+/gi;
/** Of 30 bytes and more; keys have 32. */
const base64 = /(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{40,}={0,2}(?![A-Za-z0-9+/_-])/g;
const hex = /(?<![0-9A-Za-z])(?<!sha256:)(?:[0-9a-f]{64,}|[0-9A-F]{64,})(?![0-9A-Za-z])/g;
const ipv4 = /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)/g;
/** As some clouds name machines. */
const dashed = /\bip-(\d{1,3}(?:-\d{1,3}){3})(?!\d)/g;
/** What may be an IPv6 address; colons at its ends may be the text's. */
const colons = /[0-9a-fA-F]*:[0-9a-fA-F:.]*/g;
const urlHost = /(\b[a-z]+:\/\/)(?:[^\s/"'@]*@)?([^\s/"':[\]]+)/gi;

/** No name in Kubernetes has both cases; a random key without both comes once in 10^9. */
const looksRandom = (text: string) => /[A-Z]/.test(text) && /[a-z]/.test(text);

export class Redactor {
  /** What was found → the word for it. BOUNDED: by the report. */
  readonly #words = new Map<string, string>();
  /** BOUNDED: by the four kinds. */
  readonly #counts = new Map<string, number>();

  text(text: string): string {
    return text
      .replace(pem, '[pem]')
      .replace(jwt, '[token]')
      .replace(bearer, '$1 [token]')
      .replace(base64, (found) => (looksRandom(found) ? this.#word('key', found) : found))
      .replace(hex, (found) => this.#word('key', found))
      .replace(dashed, (found, numbers: string) => this.#address(numbers.replaceAll('-', '.'), found))
      .replace(ipv4, (found) => this.#address(found, found))
      .replace(colons, (found) => this.#ipv6(found))
      .replace(urlHost, (_found, scheme: string, host: string) => `${scheme}${this.#host(host)}`);
  }

  /** Data as it was, with other texts, and without what repeats it or may hold anything. */
  data(value: unknown): unknown {
    if (typeof value === 'string') return this.text(value);
    if (Array.isArray(value)) return value.map((each) => this.data(each));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value)
        .filter(([name]) => name !== 'managedFields' && name !== 'kubectl.kubernetes.io/last-applied-configuration')
        .map(([name, inner]) => [this.text(name), name === 'env' ? this.#environment(inner) : this.data(inner)]),
    );
  }

  /** What pods are given may be anybody's secret, but for what is ours. */
  #environment(list: unknown): unknown {
    if (!Array.isArray(list)) return '[left out]';
    return list.map(({ name, value }: { name: string; value?: string }) => ({
      name,
      ...(value === undefined ? {} : { value: /^(HERD|POD)_/.test(name) ? this.text(value) : '[left out]' }),
    }));
  }

  #address(address: string, found: string): string {
    return isIPv4(address) ? this.#word('ip', address) : found;
  }

  #ipv6(found: string): string {
    for (const [start, end] of [
      [0, 0],
      [1, 0],
      [0, 1],
      [1, 1],
    ] as const) {
      const inner = found.slice(start, found.length - end);
      if (inner.length > 1 && isIPv6(inner))
        return found.slice(0, start) + this.#word('ip', inner.toLowerCase()) + found.slice(found.length - end);
    }
    return found;
  }

  #host(host: string): string {
    return host.startsWith('[') || host === '' ? host : this.#word('host', host.toLowerCase());
  }

  #word(kind: 'host' | 'ip' | 'key', found: string): string {
    const known = this.#words.get(found);
    if (known) return known;
    const number = (this.#counts.get(kind) ?? 0) + 1;
    this.#counts.set(kind, number);
    const word = `[${kind} ${number}]`;
    this.#words.set(found, word);
    return word;
  }
}
