import assert from 'node:assert/strict';
import test from 'node:test';
import { readKubeconfig } from '../../../../operator/clusters/kubeconfig.ts';

const pem = '-----BEGIN CERTIFICATE-----\n';
const data = Buffer.from(pem).toString('base64');

const config = (cluster: object, user: object, more: object = {}) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'there',
    contexts: [{ name: 'there', context: { cluster: 'west', user: 'home', namespace: 'herd' } }],
    clusters: [{ name: 'west', cluster: { server: 'https://west.example:6443', ...cluster } }],
    users: [{ name: 'home', user }],
    ...more,
  });
const token = { token: 'a.b.c' };

function problems(text: string): readonly string[] {
  const read = readKubeconfig(text);
  return 'problems' in read ? read.problems : [];
}

test('YAML with a token and an authority', async () => {
  const text = `
apiVersion: v1
kind: Config
current-context: there
contexts:
- name: there
  context: { cluster: west, user: home }
clusters:
- name: west
  cluster:
    server: https://west.example:6443/
    certificate-authority-data: ${data}
users:
- name: home
  user: { token: a.b.c }
`;
  const read = readKubeconfig(text);
  assert.ok('cluster' in read);
  assert.deepEqual([read.cluster.server, read.cluster.tls], ['https://west.example:6443', { ca: pem }]);
  assert.deepEqual(await read.cluster.headers(false), { authorization: 'Bearer a.b.c' });
});

test('a client certificate', async () => {
  const read = readKubeconfig(config({}, { 'client-certificate-data': data, 'client-key-data': data }));
  assert.ok('cluster' in read);
  assert.deepEqual([read.cluster.tls, await read.cluster.headers(false)], [{ cert: pem, key: pem }, {}]);
});

test('what would run a program, read a file or believe any server is refused, all of it at once', () => {
  const text = config(
    { 'certificate-authority': '/etc/passwd', 'insecure-skip-tls-verify': true, 'proxy-url': 'http://p' },
    {
      ...token,
      exec: { command: 'sh' },
      'auth-provider': {},
      tokenFile: '/x',
      'client-key': '/x',
      as: 'admin',
      username: 'u',
    },
  );
  const refused = problems(text).join('; ');
  for (const field of ['cluster.certificate-authority', 'cluster.insecure-skip-tls-verify', 'cluster.proxy-url'])
    assert.ok(refused.includes(`${field}: is not taken`), field);
  for (const field of ['exec', 'auth-provider', 'tokenFile', 'client-key', 'as', 'username'])
    assert.ok(refused.includes(`user.${field}: is not taken`), field);
});

test('a problem names the field and quotes nothing', () => {
  const refused: [string, RegExp][] = [
    [': secret-text: [', /^kubeconfig: /],
    ['secret-text', /^kubeconfig: /],
    ['x'.repeat(70_000), /longer than/],
    [config({}, { ...token, 'secret-text': 1 }), /^user: unknown field/],
    [config({}, token, { 'current-context': 'secret-text' }), /^current-context: there is no such context/],
    [config({ server: 'http://secret-text' }, token), /^cluster\.server: must be https/],
    [config({ server: 'https://u:secret-text@west' }, token), /^cluster\.server: must be https/],
    [config({ 'certificate-authority-data': 'secret text' }, token), /^cluster\.certificate-authority-data: /],
    [config({}, { token: 'secret\ntext' }), /^user\.token: must be one word/],
    [config({}, {}), /^user: has no credential/],
    [config({}, { ...token, 'client-key-data': data }), /^user: certificate and key go together/],
    [config({}, token, { users: [] }), /^user: /],
  ];
  for (const [text, words] of refused) {
    const told = problems(text).join('; ');
    assert.match(told, words);
    assert.doesNotMatch(told, /secret/);
  }
});

test('other contexts may be as they like', () => {
  const users = [
    { name: 'home', user: token },
    { name: 'other', user: { exec: { command: 'sh' } } },
  ];
  assert.deepEqual(problems(config({}, token, { users })), []);
});
