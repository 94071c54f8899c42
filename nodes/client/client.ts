import type { Consensus, ConsensusChannel, View } from '../config/consensus.ts';
import { cookieOf, parseContact, rendezvousOf } from '../config/contact.ts';
import type { DropCounters } from '../core/drop.ts';
import type { Entropy, Machine } from '../core/machine.ts';
import type { PacketRing } from '../core/ring.ts';
import { MILLISECOND_US, type Micros, SECOND_US } from '../core/units.ts';
import { AEAD_TAG_BYTES, Aead } from '../crypto/aead.ts';
import { deriveKey, type Identity, KEY_BYTES, wipe } from '../crypto/keys.ts';
import { CodingKeystream } from '../crypto/keystream.ts';
import { Handshake, type TransportKeys } from '../crypto/noise.ts';
import { ReplayWindow } from '../crypto/replay.ts';
import { type Link, Links } from '../link/links.ts';
import {
  A1_BYTES,
  A2_BYTES,
  CONTROL_BYTES,
  COUNTER_BYTES,
  DOWN_HEADER_BYTES,
  E1_BYTES,
  E2_BYTES,
  GEOMETRY,
  type Geometry,
  GRANT,
  type Grant,
  MESSAGE_KIND,
  PROLOGUE,
  RELAY_COMMAND,
  RELAY_HEADER_BYTES,
  SIGNAL_BYTES,
  UP_HEADER_BYTES,
} from '../wire/constants.ts';
import { EndToEnd, type VoiceIo } from './call.ts';

/**
 * A client: stays attached to a channel, sends one packet in every tick whatever it does, places and answers calls.
 *
 * Property: from the first packet after ATTACHED until it goes offline, its link carries one UP of one size per tick.
 * A call changes what is inside, never when or how much.
 */
const LINK_WAIT_US = 3 * SECOND_US;
const ATTACH_WAIT_US = 2 * SECOND_US;
/** Pause before another channel is tried: random within this, so that the clients of a dead superpeer don't come back at once. */
const RETRY_SPREAD_US = SECOND_US;
const CONTROL_SILENCE_US = 3 * SECOND_US;
const GRANT_WAIT_US = 5 * SECOND_US;
const RING_WAIT_US = 30 * SECOND_US;
const CALL_SILENCE_US = 5 * SECOND_US;
/** SETUP and ANSWER are repeated this often: 200 ms, about one round trip. */
const REPEAT_TICKS = 10;
/** END is said for half a second: longer than a stall that empties queues, shorter than anybody redials. */
const END_TICKS = 25;
const NO_VOICE: VoiceIo = { next: (into) => into.fill(0xff), heard: () => {} };

type Attachment =
  | { kind: 'waiting'; until: Micros }
  /** Handshake with the superpeer under way. */
  | { kind: 'linking'; channel: ConsensusChannel; link: Link<'superpeer'>; since: Micros }
  /** ATTACH sent, the mix's and the rendezvous' answer expected. */
  | {
      kind: 'attaching';
      channel: ConsensusChannel;
      link: Link<'superpeer'>;
      since: Micros;
      first: number;
      mix: Handshake;
      circuit: Handshake;
    }
  /** Sending. */
  | { kind: 'attached'; link: Link<'superpeer'>; keys: ChannelKeys };

interface ChannelKeys {
  readonly channel: number;
  readonly coding: CodingKeystream;
  readonly cellSend: Aead;
  readonly cellReceive: Aead;
  readonly signal: Aead;
  readonly control: Aead;
  readonly relaySend: Aead;
  readonly relayReceive: Aead;
  readonly relayWindow: ReplayWindow;
  readonly downWindow: ReplayWindow;
  sequence: number;
  relayCounter: number;
  /** Counter of the newest control cell that was ours. */
  controlAt: number;
  controlHeardAt: Micros;
  grant: Grant;
}

type CallState =
  | { kind: 'idle' }
  /** Wants the channel. */
  | { kind: 'requesting'; setup: Buffer; handshake: Handshake; since: Micros }
  /** Has the channel, repeats SETUP. */
  | { kind: 'calling'; setup: Buffer; handshake: Handshake; since: Micros; ticks: number }
  /** Keys are agreed. `answer` is repeated by the callee until the caller is heard. */
  | { kind: 'talking'; endToEnd: EndToEnd; answer: Buffer | undefined; ticks: number; heardAt: Micros }
  /** Says END a few times. */
  | { kind: 'ending'; ticks: number };

export type ClientEvent =
  | { kind: 'attached' }
  | { kind: 'detached' }
  | { kind: 'call-up'; incoming: boolean }
  | { kind: 'call-ended'; reason: CallEnd };

export type CallEnd = 'hung-up' | 'peer-hung-up' | 'no-channel' | 'not-answered' | 'lost';

export interface ClientOptions {
  readonly identity: Identity;
  readonly entropy: Entropy;
  readonly drops: DropCounters;
  readonly view: View;
  readonly now: Micros;
}

export class Client implements Machine {
  readonly #options: ClientOptions;
  readonly #geometry: Geometry;
  readonly #links: Links<'superpeer'>;
  readonly #cookie: Buffer;
  readonly #relayCell: Buffer;
  readonly #events: ClientEvent[] = [];
  #view: View;
  #attachment: Attachment;
  #call: CallState = { kind: 'idle' };
  /** Voice of the present or next call. */
  voice: VoiceIo = NO_VOICE;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#view = options.view;
    this.#geometry = GEOMETRY[options.view.own.params.profile];
    this.#cookie = cookieOf(options.identity.endToEnd.publicKey);
    this.#links = new Links<'superpeer'>({
      self: undefined,
      entropy: options.entropy,
      drops: options.drops,
      admit: () => undefined,
      linksMax: 8,
    });
    this.#relayCell = Buffer.alloc(this.#geometry.relay);
    this.#attachment = { kind: 'waiting', until: options.now };
  }

  update(view: View): void {
    this.#view = view;
  }

  /** The next thing that has happened, oldest first. BOUNDED: a handful per call, drained every tick. */
  poll(): ClientEvent | undefined {
    return this.#events.shift();
  }

  get attached(): boolean {
    return this.#attachment.kind === 'attached';
  }

  get callState(): CallState['kind'] {
    return this.#call.kind;
  }

  /** Starts a call; one sentence if it cannot be started. */
  place(now: Micros, contactText: string): { refused: string } | undefined {
    const contact = parseContact(contactText);
    if ('refused' in contact) return contact;
    if (this.#call.kind !== 'idle') return { refused: 'a call is in progress' };
    if (this.#attachment.kind !== 'attached') return { refused: 'not attached to a channel yet' };
    const consensus = this.#consensusOf(contact.zone);
    if (!consensus) return { refused: `zone ${contact.zone} is not known to the own zone's directory` };
    const cookie = cookieOf(contact.endToEndKey);
    const rendezvous = rendezvousOf(cookie, consensus);
    if (!rendezvous) return { refused: `zone ${contact.zone} has no rendezvous` };
    const handshake = new Handshake({
      pattern: 'IK',
      initiator: true,
      prologue: PROLOGUE.call,
      local: this.#options.identity.endToEnd,
      remote: contact.endToEndKey,
    });
    const first = handshake.write(new Uint8Array(0), this.#random(KEY_BYTES));
    if (!first) return { refused: "the contact's key cannot be used" };
    const setup = Buffer.concat([Buffer.from(rendezvous.tag, 'hex'), cookie, first]);
    this.#call = { kind: 'requesting', setup, handshake, since: now };
    return undefined;
  }

  hangUp(): void {
    if (this.#call.kind === 'talking' || this.#call.kind === 'calling') this.#end('hung-up');
    else if (this.#call.kind === 'requesting') this.#idle('hung-up');
  }

  tick(now: Micros, inbox: PacketRing, outbox: PacketRing): void {
    for (let i = 0; i < inbox.count; i += 1) {
      if (this.#links.receive(now, inbox, i, outbox)) this.#message(now, inbox.bytes);
    }
    this.#links.tick(now, outbox, () => {});
    this.#advance(now, outbox);
    this.#advanceCall(now);
    if (this.#attachment.kind === 'attached') this.#sendUp(now, this.#attachment.link, this.#attachment.keys, outbox);
  }

  #consensusOf(zone: string): Consensus | undefined {
    return [this.#view.own, ...this.#view.peers].find((consensus) => consensus.zone === zone);
  }

  // Attachment

  #advance(now: Micros, outbox: PacketRing): void {
    const state = this.#attachment;
    switch (state.kind) {
      case 'waiting':
        if (now >= state.until) this.#link(now);
        return;
      case 'linking':
        if (this.#links.isUp(state.link)) this.#attach(now, state.channel, state.link, outbox);
        else if (now - state.since > LINK_WAIT_US) this.#retry(now, state.link);
        return;
      case 'attaching':
        if (now - state.since > ATTACH_WAIT_US) this.#retry(now, state.link);
        return;
      case 'attached':
        if (now - state.keys.controlHeardAt > CONTROL_SILENCE_US) {
          this.#retry(now, state.link);
          this.#events.push({ kind: 'detached' });
          if (this.#call.kind !== 'idle') this.#idle('lost');
        }
        return;
    }
  }

  #link(now: Micros): void {
    const { channels } = this.#view.own;
    const channel = channels[this.#randomBelow(channels.length)];
    const link =
      channel && this.#links.connect(now, 'superpeer', channel.superpeer.linkKey, channel.superpeer.endpoint);
    if (!channel || !link) this.#attachment = { kind: 'waiting', until: now + RETRY_SPREAD_US };
    else this.#attachment = { kind: 'linking', channel, link, since: now };
  }

  #retry(now: Micros, link: Link<'superpeer'>): void {
    this.#links.close(link);
    const spread = this.#randomBelow(RETRY_SPREAD_US / MILLISECOND_US) * MILLISECOND_US;
    this.#attachment = { kind: 'waiting', until: now + spread };
  }

  #attach(now: Micros, channel: ConsensusChannel, link: Link<'superpeer'>, outbox: PacketRing): void {
    const rendezvous = rendezvousOf(this.#cookie, this.#view.own);
    const offset = rendezvous ? this.#links.reserve(link, outbox) : -1;
    if (!rendezvous || offset < 0) return this.#retry(now, link);
    const circuit = new Handshake({
      pattern: 'IK',
      initiator: true,
      prologue: PROLOGUE.circuit,
      local: this.#options.identity.endToEnd,
      remote: rendezvous.linkKey,
    });
    const mix = new Handshake({
      pattern: 'NK',
      initiator: true,
      prologue: PROLOGUE.attach,
      remote: channel.mix.linkKey,
    });
    // Half of the range, so that a life of ticks never reaches the end of 32 bits.
    const first = this.#random(4).readUInt32BE(0) >>> 1;
    const c1 = circuit.write(new Uint8Array(0), this.#random(KEY_BYTES))!;
    const firstBytes = Buffer.alloc(COUNTER_BYTES);
    firstBytes.writeUInt32BE(first);
    const payload = Buffer.concat([Buffer.from(rendezvous.tag, 'hex'), firstBytes, c1]);
    const a1 = mix.write(payload, this.#random(KEY_BYTES))!;
    outbox.bytes.writeUInt32BE(MESSAGE_KIND.attach * 0x100_0000 + channel.id, offset);
    a1.copy(outbox.bytes, offset + 4);
    this.#links.send(link, outbox, 4 + A1_BYTES);
    this.#attachment = { kind: 'attaching', channel, link, since: now, first, mix, circuit };
  }

  #message(now: Micros, bytes: Buffer): void {
    const { drops } = this.#options;
    const { plainOffset: offset, plainLength: length } = this.#links;
    const message = bytes.subarray(offset, offset + length);
    const state = this.#attachment;
    if (message[0] === MESSAGE_KIND.attached) {
      if (length !== 4 + A2_BYTES) return drops.add('truncated');
      if (state.kind === 'attaching') return this.#attached(now, state, message.subarray(4));
      return drops.add('not_attached');
    }
    if (message[0] !== MESSAGE_KIND.down) return drops.add('unknown_kind');
    if (length !== this.#geometry.down) return drops.add('truncated');
    if (state.kind !== 'attached') return;
    this.#down(now, state.keys, message);
  }

  #attached(now: Micros, state: Extract<Attachment, { kind: 'attaching' }>, a2: Buffer): void {
    const c2 = state.mix.read(a2);
    if (!c2 || !state.circuit.read(c2)) {
      this.#options.drops.add('bad_handshake');
      return this.#retry(now, state.link);
    }
    const keys = channelKeys(
      now,
      state.channel.id,
      state.first,
      state.mix.split(),
      state.circuit.split(),
      this.#geometry,
    );
    this.#attachment = { kind: 'attached', link: state.link, keys };
    this.#events.push({ kind: 'attached' });
  }

  // Downstream: control first, then media; what does not open is for somebody else or nobody.

  #down(now: Micros, keys: ChannelKeys, message: Buffer): void {
    const down = message.readUInt32BE(4);
    if (message.readUInt16BE(2) !== keys.channel || !keys.downWindow.isFresh(down)) return;
    const control = message.subarray(DOWN_HEADER_BYTES, DOWN_HEADER_BYTES + CONTROL_BYTES);
    let ours = false;
    if (keys.control.open(control, 0, CONTROL_BYTES - AEAD_TAG_BYTES, down)) {
      ours = true;
      keys.controlHeardAt = now;
      if (down > keys.controlAt) {
        keys.controlAt = down;
        this.#granted(now, keys, control[0] as Grant);
      }
    }
    const media = message.subarray(DOWN_HEADER_BYTES + CONTROL_BYTES);
    if (keys.cellReceive.open(media, 0, this.#geometry.relay, down)) {
      ours = true;
      this.#relay(now, keys, media.subarray(0, this.#geometry.relay));
    }
    // Only frames of the mix move the window: chaff that the superpeer made up must not push real ones out of it.
    if (ours) keys.downWindow.mark(down);
  }

  #granted(now: Micros, keys: ChannelKeys, grant: Grant): void {
    keys.grant = grant;
    const call = this.#call;
    if (call.kind === 'requesting') {
      if (grant === GRANT.granted)
        this.#call = { kind: 'calling', setup: call.setup, handshake: call.handshake, since: now, ticks: 0 };
      else if (grant === GRANT.refused) this.#idle('no-channel');
    } else if ((call.kind === 'calling' || call.kind === 'talking') && grant !== GRANT.granted) this.#idle('lost');
  }

  #relay(now: Micros, keys: ChannelKeys, cell: Buffer): void {
    const { drops } = this.#options;
    const counter = cell.readUInt32BE(0);
    if (!keys.relayWindow.isFresh(counter)) return drops.add('replayed');
    if (!keys.relayReceive.open(cell, COUNTER_BYTES, this.#geometry.relayPlain, counter)) return drops.add('bad_tag');
    keys.relayWindow.mark(counter);
    const body = cell.subarray(COUNTER_BYTES + RELAY_HEADER_BYTES);
    const call = this.#call;
    switch (cell[COUNTER_BYTES]) {
      case RELAY_COMMAND.ring:
        if (call.kind === 'idle') this.#answer(now, body.subarray(0, E1_BYTES));
        return;
      case RELAY_COMMAND.answer:
        if (call.kind === 'calling') this.#answered(now, call.handshake, body.subarray(0, E2_BYTES));
        return;
      case RELAY_COMMAND.voice:
        if (call.kind !== 'talking') return;
        if (!call.endToEnd.open(now, body, this.voice)) return drops.add('bad_tag');
        call.heardAt = now;
        call.answer = undefined;
        return;
      case RELAY_COMMAND.end:
        if (call.kind === 'talking' || call.kind === 'calling') this.#idle('peer-hung-up');
        return;
      default:
        return;
    }
  }

  // Calls

  #answer(now: Micros, first: Buffer): void {
    const handshake = new Handshake({
      pattern: 'IK',
      initiator: false,
      prologue: PROLOGUE.call,
      local: this.#options.identity.endToEnd,
    });
    if (!handshake.read(first)) return this.#options.drops.add('bad_handshake');
    const answer = handshake.write(new Uint8Array(0), this.#random(KEY_BYTES))!;
    const endToEnd = new EndToEnd(this.#geometry, handshake.split());
    this.#call = { kind: 'talking', endToEnd, answer, ticks: 0, heardAt: now };
    this.#events.push({ kind: 'call-up', incoming: true });
  }

  #answered(now: Micros, handshake: Handshake, second: Buffer): void {
    if (!handshake.read(second)) {
      this.#options.drops.add('bad_handshake');
      return this.#end('lost');
    }
    const endToEnd = new EndToEnd(this.#geometry, handshake.split());
    this.#call = { kind: 'talking', endToEnd, answer: undefined, ticks: 0, heardAt: now };
    this.#events.push({ kind: 'call-up', incoming: false });
  }

  #advanceCall(now: Micros): void {
    const call = this.#call;
    if (call.kind === 'requesting' && now - call.since > GRANT_WAIT_US) this.#idle('no-channel');
    else if (call.kind === 'calling' && now - call.since > RING_WAIT_US) this.#end('not-answered');
    else if (call.kind === 'talking' && now - call.heardAt > CALL_SILENCE_US) this.#end('lost');
  }

  #end(reason: CallEnd): void {
    this.#call = { kind: 'ending', ticks: 0 };
    this.#events.push({ kind: 'call-ended', reason });
  }

  #idle(reason: CallEnd): void {
    this.#call = { kind: 'idle' };
    this.#events.push({ kind: 'call-ended', reason });
  }

  // Upstream: one packet per tick, whatever happens

  #sendUp(now: Micros, link: Link<'superpeer'>, keys: ChannelKeys, outbox: PacketRing): void {
    const offset = this.#links.reserve(link, outbox);
    if (offset < 0) return;
    const { bytes, words } = outbox;
    const { sequence } = keys;
    keys.sequence += 1;
    const speaking = this.#relayToSend(now);
    const wants = this.#call.kind !== 'idle';
    bytes.writeUInt32BE(MESSAGE_KIND.up * 0x100_0000, offset);
    bytes.writeUInt32BE(sequence, offset + 4);
    const signalAt = offset + UP_HEADER_BYTES;
    bytes.fill(0, signalAt, signalAt + SIGNAL_BYTES);
    bytes[signalAt] = wants ? 1 : 0;
    keys.signal.seal(bytes, signalAt, SIGNAL_BYTES - AEAD_TAG_BYTES, sequence);
    const cellAt = signalAt + SIGNAL_BYTES;
    const cell = bytes.subarray(cellAt, cellAt + this.#geometry.mix).fill(0);
    if (speaking) {
      cell.writeUInt32BE(keys.relayCounter, 0);
      this.#relayCell.copy(cell, COUNTER_BYTES, COUNTER_BYTES, COUNTER_BYTES + this.#geometry.relayPlain);
      keys.relaySend.seal(cell, COUNTER_BYTES, this.#geometry.relayPlain, keys.relayCounter);
      keys.relayCounter += 1;
      keys.cellSend.seal(cell, 0, this.#geometry.relay, sequence);
    }
    keys.coding.xorInto(words, cellAt / 4, sequence);
    this.#links.send(link, outbox, this.#geometry.up);
  }

  /** Puts this tick's relay cell, in the clear, into #relayCell; false when the client has nothing to say: silence. */
  #relayToSend(now: Micros): boolean {
    const call = this.#call;
    const plain = this.#relayCell.fill(0);
    const body = plain.subarray(COUNTER_BYTES + RELAY_HEADER_BYTES);
    const command = (value: number) => {
      plain[COUNTER_BYTES] = value;
    };
    switch (call.kind) {
      case 'idle':
      case 'requesting':
        return false;
      case 'calling':
        command(RELAY_COMMAND.pad);
        if (call.ticks % REPEAT_TICKS === 0) {
          command(RELAY_COMMAND.setup);
          call.setup.copy(body);
        }
        call.ticks += 1;
        return true;
      case 'talking':
        if (call.answer) {
          // Voice waits until the caller has the keys: what is sent before would be lost.
          command(call.ticks % REPEAT_TICKS === 0 ? RELAY_COMMAND.answer : RELAY_COMMAND.pad);
          if (call.ticks % REPEAT_TICKS === 0) call.answer.copy(body);
          call.ticks += 1;
          return true;
        }
        command(RELAY_COMMAND.voice);
        call.endToEnd.seal(now, body, this.voice);
        return true;
      case 'ending':
        command(RELAY_COMMAND.end);
        call.ticks += 1;
        if (call.ticks >= END_TICKS) this.#call = { kind: 'idle' };
        return true;
    }
  }

  #random(bytes: number): Buffer {
    const buffer = Buffer.alloc(bytes);
    this.#options.entropy(buffer);
    return buffer;
  }

  /** Uniform in 0 … n − 1; the bias of 48 bits against a small n is below 2^-30. */
  #randomBelow(n: number): number {
    return this.#random(6).readUIntBE(0, 6) % Math.max(1, n);
  }
}

function channelKeys(
  now: Micros,
  channel: number,
  first: number,
  mix: TransportKeys,
  circuit: TransportKeys,
  geometry: Geometry,
): ChannelKeys {
  const derived = <T>(key: Buffer, purpose: string, use: (key: Buffer) => T): T => {
    const bytes = deriveKey(key, purpose);
    const made = use(bytes);
    wipe(bytes);
    return made;
  };
  const aead = (key: Buffer) => new Aead(key);
  const keys: ChannelKeys = {
    channel,
    coding: derived(mix.send, 'coding', (key) => new CodingKeystream(key, geometry.mix)),
    cellSend: derived(mix.send, 'cell', aead),
    signal: derived(mix.send, 'signal', aead),
    cellReceive: derived(mix.receive, 'cell', aead),
    control: derived(mix.receive, 'control', aead),
    relaySend: new Aead(circuit.send),
    relayReceive: new Aead(circuit.receive),
    relayWindow: new ReplayWindow(),
    downWindow: new ReplayWindow(),
    sequence: first,
    relayCounter: 0,
    controlAt: -1,
    controlHeardAt: now,
    grant: GRANT.idle,
  };
  for (const key of [mix.send, mix.receive, circuit.send, circuit.receive]) wipe(key);
  return keys;
}
