import assert from 'node:assert/strict';
import test from 'node:test';
import { crc32, deflateRawSync } from 'node:zlib';
import { entryOfZip } from '../../../../lab/kubernetes/helm.ts';

/** A ZIP archive as APPNOTE 4.3 has it: each file behind its header, then the directory, then its end. */
function zip(files: Readonly<Record<string, string>>, method: number): Buffer {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const [name, text] of Object.entries(files)) {
    const content = method === 8 ? deflateRawSync(text) : Buffer.from(text);
    const shared = Buffer.alloc(26);
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(method, 4);
    shared.writeUInt32LE(crc32(text), 10);
    shared.writeUInt32LE(content.length, 14);
    shared.writeUInt32LE(text.length, 18);
    shared.writeUInt16LE(name.length, 22);
    const extra = Buffer.from('extra');
    shared.writeUInt16LE(extra.length, 24);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(at, 10);
    const file = Buffer.concat([Buffer.from('PK\x03\x04'), shared, Buffer.from(name), extra, content]);
    central.push(Buffer.from('PK\x01\x02\x14\x00'), shared, place, Buffer.from(name), extra);
    local.push(file);
    at += file.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(Object.keys(files).length, 4);
  end.writeUInt16LE(Object.keys(files).length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(at, 12);
  return Buffer.concat([...local, directory, Buffer.from('PK\x05\x06'), end]);
}

const files = { 'kubectl/kubectl': 'k'.repeat(1000), 'helm/helm': 'helm '.repeat(100) };

for (const [how, method] of [
  ['stored', 0],
  ['deflated', 8],
] as const) {
  test(`a file that is ${how} in a ZIP archive is found by its name`, () => {
    assert.equal(entryOfZip(zip(files, method), 'helm/helm').toString(), files['helm/helm']);
  });
}

test('what is not there or not understood is said', () => {
  assert.throws(() => entryOfZip(zip(files, 0), 'helm'), /no helm in the archive/);
  assert.throws(() => entryOfZip(zip(files, 12), 'helm/helm'), /helm\/helm is compressed by method 12/);
  assert.throws(() => entryOfZip(Buffer.from('<html>'), 'helm'), /not a ZIP archive/);
});
