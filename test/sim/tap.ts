import type { Machine } from '../../nodes/core/machine.ts';
import { Aead } from '../../nodes/crypto/aead.ts';
import type { World } from './world.ts';

/** Something that a machine has decrypted: all that it can know of others it knows from these. */
export interface Opened {
  readonly at: number;
  readonly by: string;
  readonly plain: Buffer;
}

/** Everything that these hosts decrypt while `run` runs, whatever the layer. */
export function watchOpened(world: World, names: ReadonlySet<string>, run: () => void): Opened[] {
  const opened: Opened[] = [];
  let by = '';
  const restore = [...world.hosts.values()].flatMap((host) => {
    const { machine } = host;
    if (!machine || !names.has(host.name)) return [];
    const tick: Machine['tick'] = machine.tick;
    machine.tick = (now, inbox, outbox) => {
      by = host.name;
      tick.call(machine, now, inbox, outbox);
      by = '';
    };
    return [() => Object.assign(machine, { tick })];
  });
  const aead = Aead.prototype as Aead;
  const { open } = aead;
  aead.open = function (this: Aead, ...args: Parameters<Aead['open']>) {
    const isOpen = open.apply(this, args);
    const [bytes, offset, length] = args;
    if (isOpen && by !== '')
      opened.push({ at: world.now, by, plain: Buffer.from(bytes.subarray(offset, offset + length)) });
    return isOpen;
  };
  try {
    run();
  } finally {
    aead.open = open;
    for (const undo of restore) undo();
  }
  return opened;
}
