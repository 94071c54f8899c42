import assert from 'node:assert/strict';
import test from 'node:test';
import { clientConfig, directoryConfig, parseConfig, parseSeed, relayConfig } from '../../../../nodes/config/node.ts';
import { DEFAULT_PARAMS } from '../../../sim/zones.ts';

const KEY = Buffer.alloc(32, 1).toString('base64');
const DIRECTORY = { url: 'http://10.96.3.4:8080', rootKey: KEY };
const RELAY = {
  role: 'mix',
  id: 'eu-mix-0',
  zone: 'eu',
  directory: DIRECTORY,
  listen: { port: 7000 },
  metrics: { port: 9100 },
};
const CLIENT = { ...RELAY, role: 'client', id: 'client-eu', control: { port: 7800 } };
const SERVED = {
  zone: 'eu',
  provider: 'north',
  jurisdiction: 'EU',
  params: { ...DEFAULT_PARAMS, meshCellsPerTick: 2 },
  roster: [
    { id: 'eu-mix-0', role: 'mix', identityKey: KEY },
    { id: 'eu-sp', role: 'superpeer', identityKey: KEY, channels: 1 },
  ],
  peers: [{ zone: 'na', url: 'http://10.96.7.7:8080', rootKey: KEY }],
};
const SERVER = {
  role: 'directory',
  id: 'eu-directory-0',
  listen: { port: 8080 },
  metrics: { port: 9100 },
  epochSeconds: 900,
  zones: [SERVED],
};

/** The problems that a daemon would tell before it refuses to start. */
function problems(schema: Parameters<typeof parseConfig>[0], config: object): string {
  try {
    parseConfig(schema, JSON.stringify(config), 'node.json');
  } catch (error) {
    return (error as Error).message;
  }
  return 'none';
}

test('reads the file of every role', () => {
  for (const role of ['mix', 'rendezvous', 'superpeer'])
    assert.deepEqual(parseConfig(relayConfig, JSON.stringify({ ...RELAY, role }), 'node.json'), { ...RELAY, role });
  assert.deepEqual(parseConfig(clientConfig, JSON.stringify(CLIENT), 'node.json'), CLIENT);
  assert.deepEqual(parseConfig(directoryConfig, JSON.stringify(SERVER), 'node.json'), SERVER);
});

test('tells all problems of a relay’s file at once, by field', () => {
  const said = problems(relayConfig, {
    role: 'client',
    id: 'Eu Mix',
    directory: { url: 'nowhere', rootKey: 'short' },
    listen: { port: 0 },
    metrics: { port: 65536 },
  });
  assert(said.startsWith('node.json has problems:\n'), said);
  for (const field of ['role', 'id', 'zone', 'directory.url', 'directory.rootKey', 'listen.port', 'metrics.port'])
    assert(said.includes(`at ${field}`), `${field}: ${said}`);
});

test('tells all problems of a directory’s file at once, by zone and field', () => {
  const said = problems(directoryConfig, {
    ...SERVER,
    epochSeconds: 59,
    zones: [
      SERVED,
      {
        ...SERVED,
        provider: '',
        params: { ...SERVED.params, clientsPerChannel: 0 },
        roster: [
          { id: 'a', role: 'mix', identityKey: 'x' },
          { id: 'b', role: 'superpeer', identityKey: KEY, channels: 65 },
        ],
        peers: [{ zone: 'na', url: 'http://na', rootKey: '' }],
      },
    ],
  });
  for (const field of [
    'epochSeconds',
    'zones[1].provider',
    'zones[1].params.clientsPerChannel',
    'zones[1].roster[0].identityKey',
    'zones[1].roster[1].channels',
    'zones[1].peers[0].rootKey',
  ])
    assert(said.includes(`at ${field}`), `${field}: ${said}`);
  assert(!said.includes('zones[0]'), 'the zone without problems is not named');
});

test('refuses a superpeer without channels, a directory without zones and a client without control', () => {
  assert.match(problems(directoryConfig, { ...SERVER, zones: [] }), /at zones/);
  const roster = [{ id: 'eu-sp', role: 'superpeer', identityKey: KEY }];
  assert.match(
    problems(directoryConfig, { ...SERVER, zones: [{ ...SERVED, roster }] }),
    /at zones\[0\]\.roster\[0\]\.channels/,
  );
  assert.match(problems(clientConfig, { ...CLIENT, control: undefined }), /at control/);
});

test('says of which file it is no JSON', () => {
  assert.throws(
    () => parseConfig(relayConfig, '{"role":', '/etc/herd/config/node.json'),
    /^Error: \/etc\/herd\/config\/node\.json is not JSON: /,
  );
});

test('a key file is 32 bytes in base64, whatever the line end behind it', () => {
  assert.deepEqual(parseSeed(`${KEY}\n`, 'identity'), Buffer.alloc(32, 1));
  for (const text of [
    '',
    'AAAA',
    Buffer.alloc(31).toString('base64'),
    Buffer.alloc(33).toString('base64'),
    'not base64 at all',
  ])
    assert.throws(() => parseSeed(text, 'identity'), /^Error: identity must hold 32 bytes in base64$/, text);
});

test('a refused key file is not quoted in the error', () => {
  const secret = Buffer.alloc(33, 0xab).toString('base64');
  assert.throws(
    () => parseSeed(secret, 'identity'),
    (error: Error) => !error.message.includes(secret.slice(0, 8)),
  );
});
