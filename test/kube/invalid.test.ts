/**
 * What the API server refuses of our kinds, and what it takes, field by field: a case is a line.
 * Each is put to a real server with strict field validation and changes nothing there (a dry run). Which bounds, patterns,
 * enums and rules there are is read from the schema itself: one that no case runs into fails the suite.
 */
import assert from 'node:assert/strict';
import test, { after, before, suite } from 'node:test';
import { customResourceDefinitions, type Schema } from '../../operator/api/schema.ts';
import type { Manifest } from '../../operator/kube/types.ts';
import { type ControlPlane, skip, startControlPlane } from './support/control-plane.ts';
import { apply, install, resourceOf } from './support/install.ts';
import { namespace, superpeer, zone } from './support/samples.ts';

interface Case {
  readonly what: string;
  readonly manifest: Manifest;
  /** What is there when the manifest comes; without it the manifest is new. */
  readonly stored?: Manifest;
  /** Field and words of a refusal; without it the manifest is taken. */
  readonly refused?: readonly [field: string, words: RegExp];
}

type Put = (what: string, spec: object, field?: string, words?: RegExp) => Case;

const refusal = (field?: string, words?: RegExp) => (field === undefined ? {} : { refused: [field, words!] as const });
const z: Put = (what, spec, field, words) => ({ what, manifest: zone('new', spec), ...refusal(field, words) });
const sp: Put = (what, spec, field, words) => ({
  what,
  manifest: superpeer('new', 'eu', spec),
  ...refusal(field, words),
});
const zoneNamed = (name: string, field?: string, words?: RegExp): Case => ({
  what: `the name ${name}`,
  manifest: zone(name, { regions: [{ name: 'eu' }] }),
  ...refusal(field, words),
});
const superpeerNamed = (name: string, field?: string, words?: RegExp): Case => ({
  what: `the name ${name}`,
  manifest: superpeer(name, 'eu'),
  ...refusal(field, words),
});
const changed = (what: string, stored: Manifest, manifest: Manifest, field?: string, words?: RegExp): Case => ({
  what,
  stored,
  manifest,
  ...refusal(field, words),
});

const nodeSlot = (name: string, spec: object): Manifest & { spec: object } => ({
  apiVersion: 'herd.network/v1alpha1',
  kind: 'NodeSlot',
  metadata: { name, namespace },
  spec: { zone: 'eu', role: 'mix', region: 'eu', nodeSelector: {}, ...spec },
});
const slot: Put = (what, spec, field, words) => ({ what, manifest: nodeSlot('new', spec), ...refusal(field, words) });
/** A Zone of the one region, with something of it changed. */
const region: Put = (what, changes, field, words) => z(what, { regions: [{ name: 'eu', ...changes }] }, field, words);
const managed: Put = (what, changes, field, words) => sp(what, { managed: { region: 'eu', ...changes } }, field, words);
/** A Zone of two regions, with something of the second one’s cluster changed. */
const elsewhere = (changes: object) => [
  { name: 'eu' },
  { name: 'west', cluster: { kubeconfigSecretRef: { name: 'west' }, ...changes } },
];
const outside = { externalURL: 'https://herd.example' };
const cluster: Put = (what, changes, field, words) =>
  z(what, { regions: elsewhere(changes), directory: outside }, field, words);
const peer: Put = (what, changes, field, words) => z(what, { peers: [{ zone: 'na', ...changes }] }, field, words);

const long = (length: number) => 'a'.repeat(length);
const many = (count: number, key: string) => Array.from({ length: count }, (_, i) => ({ [key]: `z${i}` }));
const labels = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`l${i}`, 'x']));
const key = Buffer.alloc(32).toString('base64');
const address = { url: 'http://10.0.0.1:8080', rootKey: key };
const external = { managed: undefined, external: { identityKey: key } };

const at = 'spec.regions[1].cluster';
const secret = (name: string) => ({ kubeconfigSecretRef: { name } });
const moved = (what: string, before: object[], after: object[], name = 'stored') =>
  changed(
    what,
    zone(name, { regions: before, directory: outside }),
    zone(name, { regions: after, directory: outside }),
    'spec.regions[1]',
    /a region stays in its cluster/,
  );

const lifetimes = (name: string, put: Put, field: string, most: string) => [
  put(`${name} of an hour`, { [name]: '1h' }),
  put(`${name} of ${most}`, { [name]: most }),
  put(`${name} of less than an hour`, { [name]: '59m59s' }, field, new RegExp(`must be from 1h to ${most}`)),
  put(`${name} of more than ${most}`, { [name]: `${most}1s` }, field, new RegExp(`must be from 1h to ${most}`)),
  put(`${name} of no length`, { [name]: '' }, field, new RegExp(`must be from 1h to ${most}`)),
  put(`${name} of a week`, { [name]: '7d' }, field, /should match/),
  put(`${name} of a long text`, { [name]: `1${'0'.repeat(16)}h` }, field, /may not be more than 16/),
];
const payments = (name: string, put: Put) => {
  const field = `spec.${name}`;
  const paid = (what: string, change: object, of?: string, words?: RegExp) =>
    put(what, { [name]: { amount: '1', currency: 'EUR', ...change } }, of && `${field}.${of}`, words);
  return [
    paid('a small amount', { amount: '0.000000001', per: 'channel-hour' }),
    paid('the highest amount', { amount: '999999999.999999999', currency: 'USDTX' }),
    paid('ten decimals', { amount: '1.0000000001' }, 'amount', /should match/),
    paid('a negative amount', { amount: '-1' }, 'amount', /should match/),
    paid('an exponent', { amount: '1e3' }, 'amount', /should match/),
    paid('a long amount', { amount: `1${'0'.repeat(19)}` }, 'amount', /may not be more than 19/),
    paid('an amount that is a number', { amount: 1 }, 'amount', /must be of type string/),
    paid('no amount', { amount: undefined }, 'amount', /Required value/),
    paid('a currency’s sign', { currency: '€' }, 'currency', /should match/),
    paid('a long currency', { currency: 'DOLLAR' }, 'currency', /may not be more than 5/),
    paid('no currency', { currency: undefined }, 'currency', /Required value/),
    paid('per call', { per: 'call' }, 'per', /supported values: "channel-hour"/),
  ];
};
const zoneLifetime: Put = (what, lifetime, field, words) => z(what, { keyLifetimes: lifetime }, field, words);
const slotLifetime: Put = (what, lifetime, field, words) => slot(what, { keys: lifetime }, field, words);

/** Of a Zone and of a slot alike. */
const placed = (put: Put): Case[] => [
  put('a trial', { placement: { layers: 'Together', rendezvousSpread: 'Required' } }),
  put('other layers', { placement: { layers: 'Apart' } }, 'spec.placement.layers', /supported values/),
  put(
    'another spread',
    { placement: { rendezvousSpread: 'Always' } },
    'spec.placement.rendezvousSpread',
    /supported values/,
  ),
  put('tenths of a processor', { resources: { cpu: '12500m', memory: '2Gi' } }),
  put('99 processors', { resources: { cpu: '99', memory: '999Mi' } }),
  put('processors another way', { resources: { cpu: '0.5' } }, 'spec.resources.cpu', /should match/),
  put('a processor in thousandths', { resources: { cpu: '1000m' } }, 'spec.resources.cpu', /should match/),
  put('too many processors', { resources: { cpu: '1000000' } }, 'spec.resources.cpu', /may not be more than 6/),
  put('too little memory', { resources: { memory: '99Mi' } }, 'spec.resources.memory', /should match/),
  put('memory another way', { resources: { memory: '268435456' } }, 'spec.resources.memory', /may not be more than 5/),
];

const ports = (put: Put): Case[] => [
  put('the pod network', { network: { mode: 'Pod' } }),
  put('another network', { network: { mode: 'Bridge' } }, 'spec.network.mode', /supported values/),
  put('addresses of the machines', { network: { addresses: 'Private' } }),
  put('other addresses', { network: { addresses: 'Any' } }, 'spec.network.addresses', /supported values/),
  put('the highest ports', { network: { ports: { first: 29998, count: 1 } } }),
  put(
    'ports too high',
    { network: { ports: { first: 29999, count: 1 } } },
    'spec.network.ports.first',
    /less than or equal to 29998/,
  ),
  put(
    'ports too low',
    { network: { ports: { first: 1023 } } },
    'spec.network.ports.first',
    /greater than or equal to 1024/,
  ),
  put('no ports', { network: { ports: { count: 0 } } }, 'spec.network.ports.count', /greater than or equal to 1/),
  put('4096 ports', { network: { ports: { count: 4096 } } }),
  put('4097 ports', { network: { ports: { count: 4097 } } }, 'spec.network.ports.count', /less than or equal to 4096/),
  put('ports of Services', { network: { ports: { first: 29001 } } }, 'spec.network.ports', /must be at most 30000/),
];

const cases: Record<string, readonly Case[]> = {
  'the name of a Zone': [
    zoneNamed(long(20)),
    zoneNamed(long(21), '', /metadata\.name must be a DNS label of at most 20/),
    zoneNamed('9lives', '', /starts with a letter/),
    zoneNamed('a.b', '', /metadata\.name must be a DNS label/),
  ],
  'spec of a Zone': [
    z('a field that there is not', { regon: 'x' }, '', /unknown field "spec\.regon"/),
    z('a field of a field that there is not', { chaff: { cells: 2 } }, '', /unknown field "spec\.chaff\.cells"/),
  ],
  provider: [
    z('63 characters', { provider: long(63) }),
    z('64 characters', { provider: long(64) }, 'spec.provider', /may not be more than 63/),
    z('none', { provider: '' }, 'spec.provider', /at least 1 chars/),
    z('a blank', { provider: 'no rth' }, 'spec.provider', /should match/),
    z('a number', { provider: 7 }, 'spec.provider', /must be of type string/),
    z('left out', { provider: undefined }, 'spec.provider', /Required value/),
    changed('another', zone('stored'), zone('stored', { provider: 'south' }), 'spec.provider', /provider is immutable/),
  ],
  'placement and resources of a Zone': placed(z),
  'placement and resources of a NodeSlot': placed(slot),
  'network of a Zone': ports(z),
  'network of a NodeSlot': [
    ...ports(slot),
    slot('a port', { port: 1024 }),
    slot('a port too low', { port: 1023 }, 'spec.port', /greater than or equal to 1024/),
    slot('a port too high', { port: 30000 }, 'spec.port', /less than or equal to 29999/),
  ],
  jurisdiction: [
    z('a state', { jurisdiction: 'US-CA' }),
    z('6 characters', { jurisdiction: 'US-CAL' }),
    z('7 characters', { jurisdiction: 'US-CALI' }, 'spec.jurisdiction', /may not be more than 6/),
    z('1 character', { jurisdiction: 'E' }, 'spec.jurisdiction', /at least 2 chars/),
    z('small letters', { jurisdiction: 'eu' }, 'spec.jurisdiction', /should match/),
    z('left out', { jurisdiction: undefined }, 'spec.jurisdiction', /Required value/),
    changed('another', zone('stored'), zone('stored', { jurisdiction: 'US' }), 'spec.jurisdiction', /is immutable/),
  ],
  regions: [
    z('16', { regions: many(16, 'name') }),
    z('17', { regions: many(17, 'name') }, 'spec.regions', /must have at most 16 items/),
    z('none', { regions: [] }, 'spec.regions', /at least 1 items/),
    z('left out', { regions: undefined }, 'spec.regions', /Required value/),
    z('one twice', { regions: [{ name: 'a' }, { name: 'a' }] }, 'spec.regions[1]', /Duplicate value/),
    z('one without a name', { regions: [{}] }, 'spec.regions[0].name', /Required value/),
    region('17 characters', { name: long(17) }),
    region('18 characters', { name: long(18) }, 'spec.regions[0].name', /may not be more than 17/),
    region('no name', { name: '' }, 'spec.regions[0].name', /at least 1 chars/),
    region('a capital', { name: 'Eu' }, 'spec.regions[0].name', /should match/),
    region('8 labels', { nodeSelector: labels(8) }),
    region('9 labels', { nodeSelector: labels(9) }, 'spec.regions[0].nodeSelector', /at most 8/),
    region(
      'a long label',
      { nodeSelector: { a: long(64) } },
      'spec.regions[0].nodeSelector.a',
      /may not be more than 63/,
    ),
    changed('another', zone('stored'), zone('stored', { regions: [{ name: 'moved' }] })),
  ],
  'mixes of a region': [
    region('left out', { mixes: {} }),
    region('64', { mixes: { replicas: 64 } }),
    region('65', { mixes: { replicas: 65 } }, 'spec.regions[0].mixes.replicas', /less than or equal to 64/),
    region(
      'fewer than none',
      { mixes: { replicas: -1 } },
      'spec.regions[0].mixes.replicas',
      /greater than or equal to 0/,
    ),
    region('a text', { mixes: { replicas: '1' } }, 'spec.regions[0].mixes.replicas', /must be of type integer/),
    region('one and a half', { mixes: { replicas: 1.5 } }, 'spec.regions[0].mixes.replicas', /must be of type int64/),
    region('none anywhere', { mixes: { replicas: 0 } }, 'spec.regions', /at least one mix/),
    z('none in one of two', { regions: [{ name: 'a', mixes: { replicas: 0 } }, { name: 'b' }] }),
  ],
  'rendezvous of a region': [
    region('64', { rendezvous: { replicas: 64 } }),
    region('65', { rendezvous: { replicas: 65 } }, 'spec.regions[0].rendezvous.replicas', /less than or equal to 64/),
    region(
      'fewer',
      { rendezvous: { replicas: -1 } },
      'spec.regions[0].rendezvous.replicas',
      /greater than or equal to 0/,
    ),
    region('none anywhere', { rendezvous: { replicas: 0 } }, 'spec.regions', /at least one rendezvous/),
  ],
  'the cluster of a region': [
    cluster('of a Secret', {}),
    cluster('of a Secret and a namespace', { namespace: 'herd' }),
    cluster('of no Secret', { kubeconfigSecretRef: undefined }, `${at}.kubeconfigSecretRef`, /Required value/),
    cluster('of a Secret without a name', { kubeconfigSecretRef: {} }, `${at}.kubeconfigSecretRef.name`, /Required/),
    cluster('of an empty name', secret(''), `${at}.kubeconfigSecretRef.name`, /at least 1 chars/),
    cluster('of 253 characters', secret(long(253))),
    cluster('of 254 characters', secret(long(254)), `${at}.kubeconfigSecretRef.name`, /may not be more than 253/),
    cluster('of no name of a Secret', secret('West'), `${at}.kubeconfigSecretRef.name`, /should match/),
    cluster('in no namespace', { namespace: '' }, `${at}.namespace`, /at least 1 chars/),
    cluster('in a namespace of 64 characters', { namespace: long(64) }, `${at}.namespace`, /may not be more than 63/),
    cluster('in no namespace’s name', { namespace: 'a.b' }, `${at}.namespace`, /should match/),
    z('of a zone with a directory of its cluster', { regions: elsewhere({}) }, 'spec.directory', /externalURL/),
    z('of a zone with the directory of another', { regions: elsewhere({}), directory: { zoneRef: 'eu' } }),
    z(
      'of the first region',
      { regions: elsewhere({}).reverse(), directory: outside },
      'spec.regions',
      /the first region has the directory/,
    ),
    z('of the first region, with the directory of another zone', {
      regions: elsewhere({}).reverse(),
      directory: { zoneRef: 'eu' },
    }),
    moved('another namespace', elsewhere({}), elsewhere({ namespace: 'other' })),
    moved('another Secret', elsewhere({}), elsewhere(secret('other'))),
    moved('none any more', elsewhere({}), [{ name: 'eu' }, { name: 'west' }]),
    // What is stored can't lose its cluster to make this one.
    moved('one that was not', [{ name: 'eu' }, { name: 'west' }], elsewhere({}), 'whole'),
    changed(
      'as it was, in another order',
      zone('stored', { regions: [...elsewhere({}), { name: 'last' }], directory: outside }),
      zone('stored', { regions: [{ name: 'eu' }, { name: 'last' }, elsewhere({})[1]], directory: outside }),
    ),
  ],
  directory: [
    z('an own one', { directory: {} }),
    z('another zone’s', { directory: { zoneRef: 'eu' } }),
    z('its own by name', { directory: { zoneRef: 'new' } }, 'spec.directory', /must name another zone/),
    z('of no name', { directory: { zoneRef: '' } }, 'spec.directory.zoneRef', /at least 1 chars/),
    z('of a long name', { directory: { zoneRef: long(21) } }, 'spec.directory.zoneRef', /may not be more than 20/),
    z('of no zone’s name', { directory: { zoneRef: 'A' } }, 'spec.directory.zoneRef', /should match/),
    z('seen from outside', { directory: { externalURL: 'https://herd.example' } }),
    z(
      'another’s seen from outside',
      { directory: { zoneRef: 'eu', externalURL: 'https://herd.example' } },
      'spec.directory.externalURL',
      /is of an own directory/,
    ),
    z('at no URL', { directory: { externalURL: 'herd.example' } }, 'spec.directory.externalURL', /should match/),
    z('at a short URL', { directory: { externalURL: 'http://' } }, 'spec.directory.externalURL', /at least 8 chars/),
    z(
      'at a long URL',
      { directory: { externalURL: `http://${long(250)}` } },
      'spec.directory.externalURL',
      /may not be more than 256/,
    ),
  ],
  profile: [z('A', { profile: 'A' }), z('C', { profile: 'C' }, 'spec.profile', /supported values: "A", "B"/)],
  clientsPerChannel: [
    z('1', { clientsPerChannel: 1 }),
    z('100', { clientsPerChannel: 100 }),
    z('101', { clientsPerChannel: 101 }, 'spec.clientsPerChannel', /less than or equal to 100/),
    z('0', { clientsPerChannel: 0 }, 'spec.clientsPerChannel', /greater than or equal to 1/),
  ],
  attachmentsPerClient: [
    z('4', { attachmentsPerClient: 4 }),
    z('5', { attachmentsPerClient: 5 }, 'spec.attachmentsPerClient', /less than or equal to 4/),
    z('0', { attachmentsPerClient: 0 }, 'spec.attachmentsPerClient', /greater than or equal to 1/),
  ],
  assignment: [
    z('ranking', { assignment: 'ranking' }),
    z('first', { assignment: 'first' }, 'spec.assignment', /supported values: "augment", "ranking", "random", "paper"/),
    z('paper, whole', { assignment: 'paper', profile: 'A', attachmentsPerClient: 2 }),
    z('paper, B', { assignment: 'paper', attachmentsPerClient: 2 }, 'spec.assignment', /needs profile A/),
    z('paper, 4', { assignment: 'paper', profile: 'A', attachmentsPerClient: 4 }, 'spec.assignment', /2 or 3/),
  ],
  directClients: [
    z('10000', { directClients: 10000 }),
    z('10001', { directClients: 10001 }, 'spec.directClients', /less than or equal to 10000/),
    z('fewer than none', { directClients: -1 }, 'spec.directClients', /greater than or equal to 0/),
  ],
  chaff: [
    z('64', { chaff: { cellsPerTick: 64 } }),
    z('65', { chaff: { cellsPerTick: 65 } }, 'spec.chaff.cellsPerTick', /less than or equal to 64/),
    z('none', { chaff: { cellsPerTick: 0 } }, 'spec.chaff.cellsPerTick', /greater than or equal to 1/),
    z('up to 64', { chaff: { cellsPerTickMax: 64 } }),
    z('up to 65', { chaff: { cellsPerTickMax: 65 } }, 'spec.chaff.cellsPerTickMax', /less than or equal to 64/),
    z('up to none', { chaff: { cellsPerTickMax: 0 } }, 'spec.chaff.cellsPerTickMax', /greater than or equal to 1/),
    z(
      'up to less',
      { chaff: { cellsPerTick: 4, cellsPerTickMax: 3 } },
      'spec.chaff.cellsPerTickMax',
      /at least cellsPerTick/,
    ),
  ],
  receiptSeconds: [
    z('a week', { receiptSeconds: 604800 }),
    z('more than a week', { receiptSeconds: 604801 }, 'spec.receiptSeconds', /less than or equal to 604800/),
    z('less than a minute', { receiptSeconds: 59 }, 'spec.receiptSeconds', /greater than or equal to 60/),
  ],
  superpeerPayment: payments('superpeerPayment', z),
  'payment of a Superpeer': payments('payment', sp),
  epochSeconds: [
    z('a day', { epochSeconds: 86400 }),
    z('more than a day', { epochSeconds: 86401 }, 'spec.epochSeconds', /less than or equal to 86400/),
    z('less than a minute', { epochSeconds: 59 }, 'spec.epochSeconds', /greater than or equal to 60/),
    changed('another', zone('stored'), zone('stored', { epochSeconds: 60 })),
  ],
  drainDeadlineSeconds: [
    z('a day', { drainDeadlineSeconds: 86400 }),
    z('more than a day', { drainDeadlineSeconds: 86401 }, 'spec.drainDeadlineSeconds', /less than or equal to 86400/),
    z('29 s', { drainDeadlineSeconds: 29 }, 'spec.drainDeadlineSeconds', /greater than or equal to 30/),
  ],
  keyLifetimes: [
    ...lifetimes('link', zoneLifetime, 'spec.keyLifetimes.link', '8760h'),
    ...lifetimes('circuit', zoneLifetime, 'spec.keyLifetimes.circuit', '720h'),
    ...lifetimes('signing', zoneLifetime, 'spec.keyLifetimes.signing', '2160h'),
  ],
  peers: [
    z('64', { peers: many(64, 'zone') }),
    z('65', { peers: many(65, 'zone') }, 'spec.peers', /must have at most 64 items/),
    z('one twice', { peers: [{ zone: 'a' }, { zone: 'a' }] }, 'spec.peers[1]', /Duplicate value/),
    z('itself', { peers: [{ zone: 'new' }] }, 'spec.peers', /does not peer with itself/),
    z('one without a name', { peers: [{}] }, 'spec.peers[0].zone', /Required value/),
    z('one of no name', { peers: [{ zone: '' }] }, 'spec.peers[0].zone', /at least 1 chars/),
    z('one of a long name', { peers: [{ zone: long(21) }] }, 'spec.peers[0].zone', /may not be more than 20/),
    z('one of no zone’s name', { peers: [{ zone: 'a-' }] }, 'spec.peers[0].zone', /should match/),
    z(
      'one with a field that there is not',
      { peers: [{ zone: 'a', weight: 1 }] },
      '',
      /unknown field "spec\.peers\[0\]\.weight"/,
    ),
    peer('of elsewhere', address),
    peer('of elsewhere without a key', { url: address.url }, 'spec.peers[0]', /url and rootKey go together/),
    peer('with a short key', { ...address, rootKey: 'AAAA' }, 'spec.peers[0].rootKey', /should match/),
    peer('with a long key', { ...address, rootKey: `${key}=` }, 'spec.peers[0].rootKey', /may not be more than 44/),
    peer('at no URL', { ...address, url: 'ftp://a.b' }, 'spec.peers[0].url', /should match/),
    peer('at a short URL', { ...address, url: 'http://' }, 'spec.peers[0].url', /at least 8 chars/),
    peer('at a long URL', { ...address, url: `http://${long(250)}` }, 'spec.peers[0].url', /may not be more than 256/),
    z('no list', { peers: 'a' }, 'spec.peers', /must be of type array/),
  ],
  paused: [z('yes', { paused: true }), z('a text', { paused: 'yes' }, 'spec.paused', /must be of type boolean/)],
  'the name of a Superpeer': [
    superpeerNamed(long(52)),
    superpeerNamed(long(53), '', /metadata\.name must be a DNS label of at most 52/),
    superpeerNamed('9lives', '', /starts with a letter/),
    superpeerNamed('eu-mix-0', '', /must not end like the name of a zone’s node/),
    superpeerNamed('eu-mix-x'),
  ],
  'spec of a Superpeer': [sp('a field that there is not', { zone: 'eu' }, '', /unknown field "spec\.zone"/)],
  'zoneRef of a Superpeer': [
    sp('20 characters', { zoneRef: long(20) }),
    sp('21 characters', { zoneRef: long(21) }, 'spec.zoneRef', /may not be more than 20/),
    sp('none', { zoneRef: '' }, 'spec.zoneRef', /at least 1 chars/),
    sp('no zone’s name', { zoneRef: 'a_b' }, 'spec.zoneRef', /should match/),
    sp('left out', { zoneRef: undefined }, 'spec.zoneRef', /Required value/),
    changed(
      'another',
      superpeer('stored', 'eu'),
      superpeer('stored', 'na', { managed: { region: 'eu' } }),
      'spec.zoneRef',
      /zoneRef is immutable/,
    ),
  ],
  'where a Superpeer runs': [
    sp('elsewhere', external),
    sp('both', { external: external.external }, 'spec', /exactly one of managed and external/),
    sp('neither', { managed: undefined }, 'spec', /exactly one of managed and external/),
    sp('elsewhere without a key', { managed: undefined, external: {} }, 'spec.external.identityKey', /Required value/),
    sp(
      'elsewhere with a short key',
      { managed: undefined, external: { identityKey: 'AAAA' } },
      'spec.external.identityKey',
      /should match/,
    ),
    sp(
      'elsewhere with a long key',
      { managed: undefined, external: { identityKey: `${key}=` } },
      'spec.external.identityKey',
      /may not be more than 44/,
    ),
    managed('17 characters', { region: long(17) }),
    managed('18 characters', { region: long(18) }, 'spec.managed.region', /may not be more than 17/),
    managed('no name', { region: '' }, 'spec.managed.region', /at least 1 chars/),
    managed('a slash', { region: 'a/b' }, 'spec.managed.region', /should match/),
    managed('left out', { region: undefined }, 'spec.managed.region', /Required value/),
    managed('8 labels', { nodeSelector: labels(8) }),
    managed('9 labels', { nodeSelector: labels(9) }, 'spec.managed.nodeSelector', /at most 8/),
    managed(
      'a long label',
      { nodeSelector: { a: long(64) } },
      'spec.managed.nodeSelector.a',
      /may not be more than 63/,
    ),
    changed(
      'another',
      superpeer('stored', 'eu'),
      superpeer('stored', 'eu', { managed: { region: 'na' } }),
      'spec.managed.region',
      /region is immutable/,
    ),
  ],
  'channels of a Superpeer': [
    sp('64', { channels: 64 }),
    sp('65', { channels: 65 }, 'spec.channels', /less than or equal to 64/),
    sp('none', { channels: 0 }, 'spec.channels', /greater than or equal to 1/),
  ],
  'spec of a NodeSlot': [
    slot('little', {}),
    slot('all', { directory: address, drain: true, paused: true }),
    slot('a field that there is not', { zoneRef: 'eu' }, '', /unknown field "spec\.zoneRef"/),
  ],
  'zone of a NodeSlot': [
    slot('21 characters', { zone: long(21) }, 'spec.zone', /may not be more than 20/),
    slot('none', { zone: '' }, 'spec.zone', /at least 1 chars/),
    slot('no zone’s name', { zone: 'a_b' }, 'spec.zone', /should match/),
    slot('left out', { zone: undefined }, 'spec.zone', /Required value/),
    changed('another', nodeSlot('stored', {}), nodeSlot('stored', { zone: 'na' }), 'spec.zone', /zone is immutable/),
  ],
  'role of a NodeSlot': [
    slot('a directory', { role: 'directory' }, 'spec.role', /supported values: "mix", "rendezvous", "superpeer"/),
    slot('left out', { role: undefined }, 'spec.role', /Required value/),
    changed(
      'another',
      nodeSlot('stored', {}),
      nodeSlot('stored', { role: 'superpeer' }),
      'spec.role',
      /role is immutable/,
    ),
  ],
  'region of a NodeSlot': [
    slot('18 characters', { region: long(18) }, 'spec.region', /may not be more than 17/),
    slot('none', { region: '' }, 'spec.region', /at least 1 chars/),
    slot('a slash', { region: 'a/b' }, 'spec.region', /should match/),
    slot('left out', { region: undefined }, 'spec.region', /Required value/),
    changed(
      'another',
      nodeSlot('stored', {}),
      nodeSlot('stored', { region: 'na' }),
      'spec.region',
      /region is immutable/,
    ),
  ],
  'nodeSelector of a NodeSlot': [
    slot('8 labels', { nodeSelector: labels(8) }),
    slot('9 labels', { nodeSelector: labels(9) }, 'spec.nodeSelector', /at most 8/),
    slot('a long label', { nodeSelector: { a: long(64) } }, 'spec.nodeSelector.a', /may not be more than 63/),
    slot('left out', { nodeSelector: undefined }, 'spec.nodeSelector', /Required value/),
  ],
  'directory of a NodeSlot': [
    slot('without a key', { directory: { url: address.url } }, 'spec.directory.rootKey', /Required value/),
    slot('without a URL', { directory: { rootKey: key } }, 'spec.directory.url', /Required value/),
    slot('with a short key', { directory: { ...address, rootKey: 'A' } }, 'spec.directory.rootKey', /should match/),
    slot(
      'with a long key',
      { directory: { ...address, rootKey: `${key}=` } },
      'spec.directory.rootKey',
      /may not be more than 44/,
    ),
    slot('at no URL', { directory: { ...address, url: 'ftp://a.b' } }, 'spec.directory.url', /should match/),
    slot('at a short URL', { directory: { ...address, url: 'http://' } }, 'spec.directory.url', /at least 8 chars/),
    slot(
      'at a long URL',
      { directory: { ...address, url: `http://${long(250)}` } },
      'spec.directory.url',
      /may not be more than 256/,
    ),
  ],
  'keys of a NodeSlot': [
    slot('epochs of a day', { keys: { epochSeconds: 86400 } }),
    slot('epochs of more', { keys: { epochSeconds: 86401 } }, 'spec.keys.epochSeconds', /less than or equal to 86400/),
    slot('epochs of 59 s', { keys: { epochSeconds: 59 } }, 'spec.keys.epochSeconds', /greater than or equal to 60/),
    slot('not before a time', { keys: { notBefore: '2026-01-01T00:00:00Z' } }),
    slot('not before no time', { keys: { notBefore: 'soon' } }, 'spec.keys.notBefore', /date-time/),
    slot('not before a long text', { keys: { notBefore: long(33) } }, 'spec.keys.notBefore', /may not be more than 32/),
    ...lifetimes('link', slotLifetime, 'spec.keys.link', '8760h'),
    ...lifetimes('circuit', slotLifetime, 'spec.keys.circuit', '720h'),
  ],
  'draining of a NodeSlot': [
    slot('a day', { drainDeadlineSeconds: 86400 }),
    slot(
      'more than a day',
      { drainDeadlineSeconds: 86401 },
      'spec.drainDeadlineSeconds',
      /less than or equal to 86400/,
    ),
    slot('29 s', { drainDeadlineSeconds: 29 }, 'spec.drainDeadlineSeconds', /greater than or equal to 30/),
    slot('a text', { drain: 'yes' }, 'spec.drain', /must be of type boolean/),
  ],
};

/** What a server says against a manifest: by field where it names one, else as one sentence. */
interface Cause {
  readonly kind: string;
  readonly field: string;
  readonly message: string;
}

suite('a manifest', { skip }, () => {
  let plane: ControlPlane;
  /** BOUNDED: by the cases. */
  const met: Cause[] = [];
  before(async () => {
    plane = await startControlPlane({ controllers: false });
    await install(plane.admin, namespace);
  });
  after(() => plane?.stop());

  /** @returns what is said against it; nothing: it is taken */
  const put = async ({ manifest, stored }: Case): Promise<Cause[]> => {
    if (stored) await apply(plane.admin, stored);
    const { group, version, plural, kind } = resourceOf(manifest);
    const path = `/apis/${group}/${version}/namespaces/${namespace}/${plural}`;
    const query = 'dryRun=All&fieldValidation=Strict&fieldManager=test&force=true';
    const { body } = stored
      ? await plane.raw('PATCH', `${path}/${manifest.metadata.name}?${query}`, manifest)
      : await plane.raw('POST', `${path}?dryRun=All&fieldValidation=Strict`, manifest);
    const {
      kind: answer,
      message,
      details,
    } = body as {
      kind: string;
      message: string;
      details?: { causes?: { field: string; message: string }[] };
    };
    if (answer !== 'Status') return [];
    const causes = details?.causes ?? [{ field: '', message }];
    // A rule over the whole object is of no field.
    return causes.map((c) => ({ kind, field: c.field === '<nil>' ? '' : c.field, message: c.message }));
  };

  for (const [field, list] of Object.entries(cases)) {
    for (const one of list) {
      const { what, refused } = one;
      test(`${field}: ${what} is ${refused ? 'refused' : 'taken'}`, async () => {
        const causes = await put(one);
        met.push(...causes);
        if (!refused) return assert.deepEqual(causes, []);
        const [where, words] = refused;
        assert.ok(
          causes.some((c) => c.field === where && words.test(c.message)),
          `${where} ${words} is not among ${JSON.stringify(causes)}`,
        );
      });
    }
  }

  test('has run into every bound, pattern, enum and rule that the schemas have', () => {
    const missed = constraints().filter(
      ({ kind, field, words }) =>
        !met.some((c) => c.kind === kind && isAt(c.field, field) && c.message.includes(words)),
    );
    assert.deepEqual(missed, []);
  });
});

/** @param general with [] for any element of a list and {} for any of a map */
const isAt = (field: string, general: string): boolean =>
  new RegExp(`^${general.replaceAll('.', '\\.').replaceAll('[]', '\\[\\d+\\]').replaceAll('{}', '\\.[^.]+')}$`).test(
    field,
  );

interface Constraint {
  readonly kind: string;
  readonly field: string;
  /** How a server words that it does not hold. */
  readonly words: string;
}

function constraints(): Constraint[] {
  return customResourceDefinitions().flatMap((definition) => {
    const { kind } = definition.spec.names;
    const schema = definition.spec.versions[0]!.schema.openAPIV3Schema as Schema;
    const whole = rulesOf(schema).map(({ fieldPath = '', message }) => ({ field: fieldPath.slice(1), words: message }));
    return [...whole, ...constraintsOf(schema.properties!.spec!, 'spec')].map((c) => ({ kind, ...c }));
  });
}

const rulesOf = (schema: Schema) =>
  (schema['x-kubernetes-validations'] ?? []) as { message: string; fieldPath?: string }[];

function constraintsOf(schema: Schema, field: string): Omit<Constraint, 'kind'>[] {
  const words: string[] = [];
  const has = (value: unknown, text: string) => value !== undefined && words.push(text);
  has(schema.minimum, `greater than or equal to ${schema.minimum}`);
  has(schema.maximum, `less than or equal to ${schema.maximum}`);
  has(schema.minLength, `at least ${schema.minLength} chars`);
  has(schema.maxLength, `may not be more than ${schema.maxLength}`);
  has(schema.minItems, `at least ${schema.minItems} items`);
  has(schema.maxItems, `at most ${schema.maxItems} items`);
  has(schema.maxProperties, `at most ${schema.maxProperties}`);
  has(schema.format === 'date-time' || undefined, 'date-time');
  has(schema.pattern, `should match '${schema.pattern}'`);
  const values = schema.enum as string[] | undefined;
  has(values, `supported values: ${values?.map((value) => `"${value}"`).join(', ')}`);
  const inner = Object.entries(schema.properties ?? {}).flatMap(([name, s]) => constraintsOf(s, `${field}.${name}`));
  const required = ((schema.required ?? []) as string[]).map((name) => ({
    field: `${field}.${name}`,
    words: 'Required value',
  }));
  const map = schema.additionalProperties as Schema | undefined;
  const entries = map ? constraintsOf(map, `${field}{}`) : [];
  const items = schema.items ? constraintsOf(schema.items, `${field}[]`) : [];
  const rules = rulesOf(schema).map((r) => ({ field: `${field}${r.fieldPath ?? ''}`, words: r.message }));
  const twice = schema['x-kubernetes-list-map-keys'] ? [{ field: `${field}[]`, words: 'Duplicate value' }] : [];
  return [...words.map((w) => ({ field, words: w })), ...twice, ...rules, ...required, ...inner, ...items, ...entries];
}
