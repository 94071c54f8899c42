import assert from 'node:assert/strict';
import test from 'node:test';
import { pinnedVersions, requiredVersion } from '../../../../lab/kubernetes/build.ts';

test('a version is found in a require line and in a require block', () => {
  const goMod = 'module m\n\nrequire a.example/one v1.2.3\n\nrequire (\n\tb.example/two v0.4.0 // indirect\n)\n';
  assert.equal(requiredVersion(goMod, 'a.example/one'), 'v1.2.3');
  assert.equal(requiredVersion(goMod, 'b.example/two'), 'v0.4.0');
});

test('a module whose path only begins the same is another', () => {
  assert.throws(() => requiredVersion('require a.example/one/v2 v2.0.0\n', 'a.example/one'), /does not require/);
});

test('the lab pins a version of Kubernetes and of etcd', async () => {
  const versions = await pinnedVersions();
  assert.match(versions.kubernetes, /^v1\.\d+\.\d+$/);
  assert.match(versions.etcd, /^v3\.\d+\.\d+$/);
});
