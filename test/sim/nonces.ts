import { Client } from '../../nodes/client/client.ts';
import { Aead } from '../../nodes/crypto/aead.ts';
import { CodingKeystream } from '../../nodes/crypto/keystream.ts';

/**
 * Watches every key of a run: what is sealed under which key and nonce, and which slots of a coding keystream a client
 * sends. A key is known by what it makes of nothing under a nonce that nobody uses, so two machines, or two lives of one,
 * that come to the same key are found out.
 */
const NOBODYS_NONCE = 2 ** 40;
const NOBODYS_SLOT = 2 ** 31 - 1;

export interface Uses {
  /** Seals and slots. */
  readonly uses: number;
  /** Of them, those whose key and nonce had been used before. */
  readonly reused: number;
}

/** Counts while `run` runs. */
export function watchNonces(run: () => void): Uses {
  const aead = Aead.prototype as Aead;
  const coding = CodingKeystream.prototype;
  const { seal } = aead;
  const { xorInto } = coding;
  const { tick } = Client.prototype;
  const names = new WeakMap<object, string>();
  const seen = new Map<string, Set<number>>();
  let uses = 0;
  let reused = 0;
  let inClient = false;
  const note = (key: string, nonce: number) => {
    uses += 1;
    const nonces = seen.get(key) ?? new Set();
    seen.set(key, nonces);
    if (nonces.has(nonce)) reused += 1;
    nonces.add(nonce);
  };
  aead.seal = function (this: Aead, ...args: Parameters<Aead['seal']>) {
    let name = names.get(this);
    if (name === undefined) {
      const tag = Buffer.alloc(16);
      seal.call(this, tag, 0, 0, NOBODYS_NONCE);
      name = tag.toString('latin1');
      names.set(this, name);
    }
    note(name, args[3]);
    seal.apply(this, args);
  };
  coding.xorInto = function (target, targetWord, s) {
    let name = names.get(this);
    if (name === undefined) {
      const words = new Uint32Array(64);
      xorInto.call(this, words, 0, NOBODYS_SLOT);
      name = Buffer.from(words.buffer).toString('latin1', 0, 16);
      names.set(this, name);
    }
    // The mix has the same keystream to cancel it.
    if (inClient) note(name, s);
    xorInto.call(this, target, targetWord, s);
  };
  Client.prototype.tick = function (now, inbox, outbox) {
    inClient = true;
    tick.call(this, now, inbox, outbox);
    inClient = false;
  };
  try {
    run();
  } finally {
    aead.seal = seal;
    coding.xorInto = xorInto;
    Client.prototype.tick = tick;
  }
  return { uses, reused };
}
