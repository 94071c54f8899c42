import assert from 'node:assert/strict';
import fc from 'fast-check';
import { readWav, writeWav } from '../../nodes/client/wav.ts';
import { envelope, keyAt, verifyView } from '../../nodes/config/consensus.ts';
import { parseContact, printContact } from '../../nodes/config/contact.ts';
import { claimedId, type Descriptor, signDescriptor, verifyDescriptor } from '../../nodes/config/descriptor.ts';
import type { DirectoryConfig } from '../../nodes/config/node.ts';
import { verifyReceipt } from '../../nodes/config/receipt.ts';
import { Identity } from '../../nodes/crypto/keys.ts';
import { signText } from '../../nodes/crypto/signed.ts';
import { Directory } from '../../nodes/directory/directory.ts';
import { SeededRandom } from '../sim/random.ts';
import { DEFAULT_PARAMS } from '../sim/zones.ts';
import { certified, signerOf } from '../unit/nodes/support/certified.ts';
import { publishing } from '../unit/nodes/support/keys.ts';
import type { Target } from './target.ts';

const NOW_MS = Date.parse('2030-01-01T00:00:00Z');
const ROOT = new Identity(Buffer.alloc(32, 1));
const NODE = new Identity(Buffer.alloc(32, 2));
const DESCRIPTOR: Descriptor = {
  zone: 'eu',
  id: 'eu-mix-0',
  endpoint: '10.0.0.1:7000',
  ...publishing(1, 2),
  boot: 7,
  issuedAt: NOW_MS,
  rounds: [{ from: NOW_MS - (NOW_MS % 86_400_000), counts: [['eu-sp', 3, 2, 1, 0]] }],
};
const CONFIG: DirectoryConfig = {
  role: 'directory',
  id: 'eu-directory-0',
  listen: { port: 1 },
  metrics: { port: 2 },
  epochSeconds: 900,
  zones: [
    {
      zone: 'eu',
      provider: 'north',
      jurisdiction: 'EU',
      params: { ...DEFAULT_PARAMS, meshCellsPerTick: 2 },
      roster: [{ id: 'eu-mix-0', role: 'mix', identityKey: NODE.publicKey.toString('base64') }],
      peers: [{ zone: 'eu2', url: 'http://eu2', rootKey: NODE.publicKey.toString('base64') }],
    },
  ],
};

function served(): Directory {
  const directory = new Directory(CONFIG, new Map([['eu', signerOf('eu', ROOT)]]));
  assert.equal(directory.register(NOW_MS, 'eu', signDescriptor(NODE, DESCRIPTOR)), 'accepted');
  return directory;
}

const VIEW = served().view(NOW_MS, 'eu')!;
const CONSENSUS = JSON.parse(VIEW.own.consensus);

/** Where a value stands in a document: keys from the root on. */
function paths(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, inner]) => paths(inner, [...path, key]))];
}

function replaced(value: unknown, [key, ...rest]: readonly string[], by: unknown): unknown {
  if (key === undefined) return by;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  (copy as Record<string, unknown>)[key] = replaced((value as Record<string, unknown>)[key], rest, by);
  return copy;
}

/** Values of every kind, among them those that parsers stumble over. */
const odd = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom<unknown>(undefined, Number.NaN, 1e308, -0, '__proto__', '\ud800', { __proto__: null }, []),
  fc.string({ unit: 'binary', maxLength: 40 }),
);

/** A document in which up to three values are others. */
const mutated = (document: unknown) =>
  fc.array(fc.tuple(fc.constantFrom(...paths(document)), odd), { minLength: 1, maxLength: 3 }).map((changes) => {
    let value = document;
    for (const [path, by] of changes) {
      try {
        value = replaced(value, path, by);
      } catch {
        // An earlier change has taken away what this one would change.
      }
    }
    return value;
  });

/** A text with some characters others, gone or added. */
const edited = (text: string) =>
  fc
    .array(fc.tuple(fc.nat(text.length), fc.nat(3), fc.string({ unit: 'binary', maxLength: 4 })), {
      minLength: 1,
      maxLength: 4,
    })
    .map((edits) => edits.reduce((now, [at, gone, put]) => now.slice(0, at) + put + now.slice(at + gone), text));

/** Documents and texts that anybody may hand in: parsers, and who relies on them. */
const RUNS = 200;
export const PARSERS: Target[] = [];

function parser<T>(property: string, make: () => fc.IRawProperty<T>): void {
  const name = property.slice(0, property.indexOf(' ', 40));
  const start = (seed: string) => {
    const random = new SeededRandom(seed);
    const checked = make();
    return () => {
      fc.assert(checked, { numRuns: RUNS, seed: random.below(2 ** 31) });
      return RUNS;
    };
  };
  PARSERS.push({ name, property, start });
}

parser('a view with anything in any place is refused or verified, and nothing is thrown', () => {
  return fc.property(mutated(VIEW), (json) => {
    const view = verifyView(json, ROOT.publicKey, 'eu', NOW_MS);
    if (!('refused' in view)) assert.equal(view.own.nodes.length, 1);
    else assert(view.refused.length > 0);
  });
});

parser('a consensus that is signed and yet has anything in any place is refused or whole', () => {
  return fc.property(mutated(CONSENSUS), (document) => {
    const text = JSON.stringify(document) ?? '';
    const own = envelope(certified(ROOT, 'eu', text));
    const view = verifyView({ own, peers: [] }, ROOT.publicKey, 'eu', NOW_MS);
    if ('refused' in view) return;
    assert(view.own.validUntilMs >= NOW_MS, 'no date passes that is none');
    for (const node of view.own.nodes) {
      for (const keys of [node.linkKeys, node.circuitKeys]) assert.equal(keyAt(NOW_MS * 1000, keys).length, 32);
      assert(node.endpoint > 0 && Number.isSafeInteger(node.endpoint));
    }
  });
});

parser('a consensus of which a character is another is refused', () => {
  return fc.property(
    edited(VIEW.own.consensus),
    edited(VIEW.own.signature),
    fc.boolean(),
    (consensus, signature, both) => {
      fc.pre(consensus !== VIEW.own.consensus);
      const own = { ...VIEW.own, consensus, signature: both ? signature : VIEW.own.signature };
      assert('refused' in verifyView({ own, peers: [] }, ROOT.publicKey, 'eu', NOW_MS));
    },
  );
});

parser('a certificate with anything in any place is refused, signed or not, unless it says the same', () => {
  const { text, signature } = VIEW.own.certificate;
  const document = JSON.parse(text);
  return fc.property(
    fc.oneof(mutated(document), fc.constant(undefined)),
    edited(text),
    fc.boolean(),
    (json, raw, signs) => {
      const said = json === undefined ? raw : (JSON.stringify(json) ?? '');
      fc.pre(said !== text);
      const certificate = signs ? signText(ROOT, 'herd-signing-v1', said) : { text: said, signature };
      const view = verifyView({ own: { ...VIEW.own, certificate }, peers: [] }, ROOT.publicKey, 'eu', NOW_MS);
      if ('refused' in view) return;
      const { zone, signingKey, from, until } = JSON.parse(said);
      assert(signs && zone === 'eu' && signingKey === document.signingKey && from <= NOW_MS && until >= NOW_MS);
    },
  );
});

parser(
  'a descriptor with anything in any place is refused or whole, and the directory takes none that is not signed',
  () => {
    const directory = served();
    return fc.property(mutated(DESCRIPTOR), fc.boolean(), (document, signs) => {
      const text = JSON.stringify(document) ?? '';
      const signed = signText(signs ? NODE : ROOT, 'herd-descriptor-v1', text);
      const id = claimedId(signed);
      assert(id === undefined || typeof id === 'string');
      const verified = verifyDescriptor(NODE.publicKey, signed);
      if (!signs) assert.equal(verified, undefined);
      const word = directory.register(NOW_MS, 'eu', signed);
      if (word === 'accepted') assert(signs && verified?.id === 'eu-mix-0' && verified.zone === 'eu');
      const nodes = JSON.parse(directory.view(NOW_MS, 'eu')!.own.consensus).nodes;
      assert.equal(nodes.length, 1);
    });
  },
);

parser('a receipt with anything in any place is refused or whole, and never one that the zone has not signed', () => {
  const receipt = {
    ...{ zone: 'eu', superpeer: 'eu-sp', identityKey: NODE.publicKey.toString('base64'), channels: 2 },
    ...{ from: 0, until: 86_400_000, expected: 9, valid: 8, bad: 1, expelled: false, issuedAt: NOW_MS },
  };
  return fc.property(mutated(receipt), fc.boolean(), (document, signs) => {
    const text = JSON.stringify(document) ?? '';
    const verified = verifyReceipt(certified(signs ? ROOT : NODE, 'eu', text, 'herd-receipt-v1'), ROOT.publicKey, 'eu');
    if ('refused' in verified) return assert(verified.refused.length > 0);
    assert(signs && verified.zone === 'eu' && Number.isSafeInteger(verified.valid));
  });
});

parser('a contact with other characters is refused with a sentence, and nothing is thrown', () => {
  const contact = printContact('eu', NODE.publicKey);
  return fc.property(fc.oneof(edited(contact), fc.string({ unit: 'binary', maxLength: 120 })), (text) => {
    fc.pre(text !== contact);
    const parsed = parseContact(text);
    assert('refused' in parsed && parsed.refused.length > 0, text);
  });
});

parser('a file that is no recording is refused with a sentence, and one that is has whole samples', () => {
  const file = writeWav(Int16Array.from({ length: 30 }, (_, i) => i * 1000));
  const patched = fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { maxLength: 4 }).map((patches) => {
    const bytes = Buffer.from(file);
    for (const [at, value] of patches) bytes[at] = value;
    return bytes;
  });
  const cut = fc.tuple(patched, fc.nat(file.length)).map(([bytes, length]) => bytes.subarray(0, length));
  return fc.property(fc.oneof(patched, cut, fc.uint8Array({ maxLength: 100 })), (bytes) => {
    try {
      assert(2 * readWav(bytes).length <= bytes.length);
    } catch (error) {
      assert.equal((error as Error).constructor, Error, `${error}`);
      assert.match((error as Error).message, /WAV file: /);
    }
  });
});
