import assert from 'node:assert/strict';
import test from 'node:test';
import {
  claimedId,
  type Descriptor,
  signDescriptor,
  signedDescriptor,
  verifyDescriptor,
} from '../../../../nodes/config/descriptor.ts';
import { Identity } from '../../../../nodes/crypto/keys.ts';
import { signText } from '../../../../nodes/crypto/signed.ts';
import { publishing } from '../support/keys.ts';

const NODE = new Identity(Buffer.alloc(32, 3));
const STRANGER = new Identity(Buffer.alloc(32, 4));
const DESCRIPTOR: Descriptor = {
  zone: 'eu',
  id: 'eu-mix-0',
  endpoint: '10.0.0.1:7000',
  ...publishing(1, 2),
  boot: 7,
  issuedAt: 1_900_000_000_000,
};

test('a node’s own descriptor verifies and comes back as it was', () => {
  const signed = signDescriptor(NODE, DESCRIPTOR);
  assert.deepEqual(verifyDescriptor(NODE.publicKey, signed), DESCRIPTOR);
  assert.equal(claimedId(signed), 'eu-mix-0');
  assert.deepEqual(signedDescriptor.parse(signed), signed, 'it passes the door of the directory');
});

test('a descriptor with as many keys and a demand for as many zones as there may be passes the door of the directory', () => {
  const demand = Array.from({ length: 257 }, (_, i) => ({ zone: `${i}`.padStart(63, 'z'), cells: 64 }));
  const keys = publishing(2 ** 32 - 4, 2 ** 32 - 3, 2 ** 32 - 2, 2 ** 32 - 1);
  const signed = signDescriptor(NODE, { ...DESCRIPTOR, ...keys, demand });
  assert.deepEqual(signedDescriptor.parse(signed), signed);
  assert.deepEqual(verifyDescriptor(NODE.publicKey, signed)!.demand, demand);
});

test('nobody signs for somebody else, and no other document passes for a descriptor', () => {
  assert.equal(verifyDescriptor(NODE.publicKey, signDescriptor(STRANGER, DESCRIPTOR)), undefined);
  const consensus = signText(NODE, 'herd-consensus-v1', JSON.stringify(DESCRIPTOR));
  assert.equal(verifyDescriptor(NODE.publicKey, consensus), undefined);
});

test('one changed character of the text or the signature is one too many', () => {
  const { text, signature } = signDescriptor(NODE, DESCRIPTOR);
  for (let at = 0; at < text.length; at += 1) {
    const changed = text.slice(0, at) + (text[at] === '1' ? '2' : '1') + text.slice(at + 1);
    assert.equal(verifyDescriptor(NODE.publicKey, { text: changed, signature }), undefined, changed);
  }
  const other = `${signature[0] === 'A' ? 'B' : 'A'}${signature.slice(1)}`;
  assert.equal(verifyDescriptor(NODE.publicKey, { text, signature: other }), undefined);
});

const MALFORMED: readonly object[] = [
  /*  1 */ { zone: 'z'.repeat(64) },
  /*  2 */ { id: 'i'.repeat(64) },
  /*  3 */ { id: undefined },
  /*  4 */ { endpoint: '10.0.0.1' },
  /*  5 */ { endpoint: 'eu-mix-0:7000' },
  /*  6 */ { linkKeys: [{ number: 1, key: 'AAAA' }] },
  /*  7 */ { boot: -1 },
  /*  8 */ { boot: 2 ** 32 },
  /*  9 */ { issuedAt: 0.5 },
  /* 10 */ { issuedAt: '2030-01-01' },
  /* 11 */ { demand: [{ zone: 'eu', cells: 65 }] },
  /* 12 */ { demand: [{ zone: 'eu', cells: -1 }] },
  /* 13 */ { demand: new Array(258).fill({ zone: 'eu', cells: 1 }) },
  /* 14 */ { linkKeys: [] },
  /* 15 */ { circuitKeys: undefined },
  /* 16 */ { circuitKeys: publishing(2, 1).circuitKeys },
  /* 17 */ { circuitKeys: publishing(2, 2).circuitKeys },
  /* 18 */ { circuitKeys: publishing(-1).circuitKeys },
  /* 19 */ { circuitKeys: publishing(2 ** 32).circuitKeys },
  /* 20 */ { linkKeys: publishing(1, 2, 3, 4, 5).linkKeys },
];

test('what is signed and yet malformed is refused, row by row', () => {
  for (const [index, change] of MALFORMED.entries()) {
    const signed = signText(NODE, 'herd-descriptor-v1', JSON.stringify({ ...DESCRIPTOR, ...change }));
    assert.equal(verifyDescriptor(NODE.publicKey, signed), undefined, `row ${index + 1}`);
  }
  for (const text of ['', 'null', '[]', '{', '7']) {
    const signed = signText(NODE, 'herd-descriptor-v1', text);
    assert.equal(claimedId(signed), undefined, text);
    assert.equal(verifyDescriptor(NODE.publicKey, signed), undefined, text);
  }
});
