import assert from 'node:assert/strict';
import test from 'node:test';
import type { KubeNode, Pod } from '../../../../operator/kube/types.ts';
import { addressOf } from '../../../../operator/plan/address.ts';
import { machine, pod } from '../samples.ts';

const external = { type: 'ExternalIP', address: '203.0.113.7' };
const internal = { type: 'InternalIP', address: '10.0.0.7' };
const sixth = { type: 'ExternalIP', address: '2001:db8::7' };
const onHost = pod('eu-eu-mix-0');
const inPod: Pod = { ...onHost, spec: { containers: [] }, status: { podIPs: [{ ip: 'fd00::7' }, { ip: '10.1.0.7' }] } };
const said = (text: string) => ({ 'herd.network/public-address': text });

test('a node is at the first address that somebody vouches for, in this order', () => {
  const rows: [string, 'Public' | 'Private', Pod | undefined, KubeNode | undefined, string][] = [
    ['a person’s word', 'Public', onHost, machine([external, internal], said('198.51.100.7')), '198.51.100.7'],
    ['a person’s word that is none', 'Private', onHost, machine([external], said('mix.example.net')), 'NotAnAddress'],
    ['a person’s word of IPv6', 'Public', onHost, machine([external], said('2001:db8::7')), 'NotAnAddress'],
    ['the cloud’s word', 'Public', onHost, machine([internal, external]), external.address],
    ['the cloud’s word before that of the machine', 'Private', onHost, machine([internal, external]), external.address],
    ['the cloud’s word of both families', 'Public', onHost, machine([sixth, external]), external.address],
    ['the cloud’s word of IPv6 alone', 'Public', onHost, machine([sixth, internal]), 'NoAddress'],
    ['the machine’s, never without leave', 'Public', onHost, machine([internal]), 'NoAddress'],
    ['the machine’s, with leave', 'Private', onHost, machine([internal]), internal.address],
    ['none with leave', 'Private', onHost, machine([{ type: 'Hostname', address: 'machine' }]), 'NoAddress'],
    ['a machine that is not known', 'Private', onHost, undefined, 'NotPlaced'],
    ['no pod', 'Private', undefined, machine(), 'NotPlaced'],
    ['a pod of the pod network, wherever it is', 'Public', inPod, machine([external]), '10.1.0.7'],
    ['one without an address', 'Public', { ...inPod, status: {} }, machine(), 'NotPlaced'],
    ['one without IPv4', 'Public', { ...inPod, status: { podIPs: [{ ip: 'fd00::7' }] } }, machine(), 'NoAddress'],
  ];
  for (const [row, accepted, of, on, expected] of rows) {
    const found = addressOf(accepted, of, on);
    assert.equal(typeof found === 'string' ? found : found.reason, expected, row);
  }
});

test('what is missing says on which machine and what to write there', () => {
  const problem = addressOf('Public', onHost, machine([internal]));
  const message = 'machine machine has no public IPv4 address: annotate it with herd.network/public-address';
  assert.deepEqual(problem, { reason: 'NoAddress', message });
});
