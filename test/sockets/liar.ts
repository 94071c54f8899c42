import { Superpeer } from '../../nodes/superpeer/superpeer.ts';
import { MESSAGE_KIND } from '../../nodes/wire/constants.ts';
import { Liar } from '../sim/liar.ts';

/** For a superpeer's process, before its program (`node --import`): it alters a bit of X in every round that it sends. */
const lies = {
  says: (message: Buffer) => {
    if (message[0] === MESSAGE_KIND.round) message[message.length - 1]! ^= 1;
    return true;
  },
};

const { tick } = Superpeer.prototype;
Superpeer.prototype.tick = function (...args) {
  new Liar({ tick: (...ticked) => tick.apply(this, ticked) }, lies).tick(...args);
};
