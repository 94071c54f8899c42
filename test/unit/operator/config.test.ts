import assert from 'node:assert/strict';
import test from 'node:test';
import { readConfig } from '../../../operator/config.ts';

const env = { HERD_NODE_IMAGE: 'n', POD_NAMESPACE: 'herd-system', POD_NAME: 'a', HERD_NAMESPACES: 'x,y' };

test('the environment of the Deployment is enough', () => {
  const config = readConfig([], env);
  assert.deepEqual([config.nodeImage, config.namespaces, config.port], ['n', ['x', 'y'], 9100]);
});

test('all problems are told at once', () => {
  assert.throws(
    () => readConfig(['--port', 'x'], { HERD_NAMESPACES: 'Bad' }),
    /HERD_NODE_IMAGE.*POD_NAMESPACE.*POD_NAME.*--port x.*HERD_NAMESPACES: Bad/,
  );
});
