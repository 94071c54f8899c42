import assert from 'node:assert/strict';
import test from 'node:test';
import type { Rate } from '../../../nodes/core/machine.ts';
import { Pair } from '../../sim/pair.ts';
import { Checker } from '../../sim/scenario.ts';

/** Audits send an AUDIT and up to a channel's worth of AUDITED now and then. */
const TOLERANCE = 0.02;

for (const calling of [false, true]) {
  test(`every role sends what it says that it should, ${calling ? 'in a call' : 'without a call'}`, () => {
    const check = new Checker();
    const pair = new Pair('rate', check, { bystanders: 3, params: { directClients: 2 } });
    pair.begin(calling);
    const { network } = pair;
    assert.deepEqual(check.violations, []);
    const machines = [network.mix('eu'), network.superpeer('eu'), network.rendezvous('eu'), network.clients[0]!];
    for (const { host, machine } of machines as {
      host: { name: string; endpoint: number; ticks: number };
      machine: { rate(): Rate };
    }[]) {
      let [datagrams, bytes] = [0, 0];
      const from = host.ticks;
      network.world.observe = (seen) => {
        if (seen.from !== host.endpoint) return;
        datagrams += 1;
        bytes += seen.length;
      };
      network.run(2);
      const ticks = host.ticks - from;
      const said = machine.rate();
      assert(said.datagrams > 0, host.name);
      const near = (sent: number, due: number) => Math.abs(sent / ticks / due - 1) <= TOLERANCE;
      const what = `${host.name} says ${JSON.stringify(said)} and sent ${datagrams / ticks} of ${bytes / ticks} bytes`;
      assert(near(datagrams, said.datagrams) && near(bytes, said.bytes), what);
    }
  });
}
