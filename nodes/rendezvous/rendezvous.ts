import { type Consensus, lists, type ScheduledKey, type View } from '../config/consensus.ts';
import { cookieOf, rendezvousOf } from '../config/contact.ts';
import type { ZoneDemand } from '../config/descriptor.ts';
import type { DropCounters } from '../core/drop.ts';
import { draw, type Entropy, type Machine, type Rate } from '../core/machine.ts';
import type { PacketRing } from '../core/ring.ts';
import { type Micros, SECOND_US } from '../core/units.ts';
import { Aead } from '../crypto/aead.ts';
import { type Identity, KEY_BYTES, type NodeKeys, wipe } from '../crypto/keys.ts';
import { respond } from '../crypto/noise.ts';
import { ReplayWindow } from '../crypto/replay.ts';
import { Links } from '../link/links.ts';
import { initiates, isOfNewProcess, Mesh, type MeshPeer, meshNodes } from '../link/mesh.ts';
import { OwnKeys } from '../link/own-keys.ts';
import {
  C1_BYTES,
  CALL_MAX,
  CALL_RUNG_FIRST,
  COOKIE_BYTES,
  COUNTER_BYTES,
  E1_BYTES,
  GEOMETRY,
  type Geometry,
  MESH_COMMAND,
  MESH_HEADER_BYTES,
  MESSAGE_KIND,
  NODE_TAG_BYTES,
  PROLOGUE,
  RELAY_COMMAND,
  RELAY_HEADER_BYTES,
} from '../wire/constants.ts';

/**
 * A rendezvous: ends the standing half-circuits of its zone's clients and joins those of caller and callee.
 *
 * It knows circuits by the id that a mix gave them, never a client's address; the rendezvous of the other side knows
 * only a leg to this one. It forwards a relay cell in the tick in which it arrives and adds no traffic of its own: what
 * goes out on a link is the mesh's constant rate. Calls belong to the client, not to a circuit, so a call outlives the
 * circuits, mixes and legs that carried it.
 */
const LEG_SILENCE_US = 10 * SECOND_US;
/** BOUNDED: half-circuits of one rendezvous. */
const CIRCUITS_MAX = 65_536;
/** BOUNDED: calls at once; far more than the mesh carries cells per tick. */
const CALLS_MAX = 8_192;
/** BOUNDED: circuits of one client: two sessions of four while it changes its mix. */
const CIRCUITS_PER_CLIENT_MAX = 8;
/** BOUNDED: calls of one client: the one it is in, and those that ring or linger. */
const CALLS_PER_CLIENT_MAX = 8;
/** A client is rung at most this often, whoever calls: ringing must not take the cells of a call. */
const RING_PAUSE_US = SECOND_US / 6;
/** Who has not called for this long does not wait to ring. */
const RING_TURN_US = SECOND_US / 2;
/** A rendezvous that a call is to go to is asked so often until the callee answers there. */
const JOIN_AGAIN_US = SECOND_US / 5;
/** What is under way on the leg before has come by then: what comes later means that the call goes on there. */
const FORMER_US = SECOND_US / 2;
/** A client that has spoken in a call this recently is busy. */
const BUSY_US = SECOND_US;

/** A client's half-circuit: the mix's end of it and the keys shared with the client. */
interface Circuit {
  readonly mixTag: string;
  readonly id: number;
  readonly registration: Registration;
  readonly send: Aead;
  readonly receive: Aead;
  readonly window: ReplayWindow;
  sendCounter: number;
}

/** A client as the rendezvous knows it: by its cookie. */
interface Registration {
  readonly cookie: string;
  /** The one that was heard or made last comes last. BOUNDED: CIRCUITS_PER_CLIENT_MAX. */
  readonly circuits: Circuit[];
  /** By the number that client and rendezvous call it. BOUNDED: CALLS_PER_CLIENT_MAX. */
  readonly calls: Map<number, Call>;
  rungAt: Micros;
}

/** A call's way to another rendezvous. */
interface Leg {
  readonly tag: string;
  readonly id: number;
}

/** One client's end of a call. */
interface Call {
  readonly registration: Registration;
  readonly number: number;
  /** E1 of the SETUP: a repeated one is not a second call, and one that comes by another way is the same call. */
  readonly firstMessage: Buffer;
  /** The other end: a leg to another rendezvous, or a client of this one. */
  peer: { readonly kind: 'nobody' } | ({ readonly kind: 'leg' } & Leg) | { readonly kind: 'here'; readonly call: Call };
  /** The leg before, on which cells may still come: they are taken. */
  former: Leg | undefined;
  /** When the present leg was asked for over SETUP or JOIN, or a cell last came by it. */
  legHeardAt: Micros;
  /** To another rendezvous of the callee, whose present one drains. It is the leg as soon as the callee is heard on it. */
  next: Leg | undefined;
  /** When the callee was last asked for over `next`. */
  joinedAt: Micros;
  /** The callee's cookie, in a call that the client has placed. */
  readonly calleeCookie: Buffer | undefined;
  /** When a cell of either end last came. */
  heardAt: Micros;
  /** When the client itself last said something in it. */
  spokenAt: Micros;
  /** When the client was last rung for it. */
  rungAt: Micros;
  /** Whether the client has answered or spoken: before, the call only rings. */
  established: boolean;
}

const NOBODY = { kind: 'nobody' } as const;

export interface RendezvousOptions {
  readonly identity: Identity;
  readonly keys: NodeKeys;
  readonly entropy: Entropy;
  readonly drops: DropCounters;
  readonly view: View;
  readonly now: Micros;
}

export class Rendezvous implements Machine {
  readonly #options: RendezvousOptions;
  readonly #geometry: Geometry;
  readonly #own: OwnKeys;
  readonly #links: Links<MeshPeer>;
  readonly #mesh: Mesh<MeshPeer>;
  /** By tag: who may open a link to us. BOUNDED: by the consensus. */
  #meshPeers = new Map<string, readonly ScheduledKey[]>();
  /** Tags of the own zone's mixes: another zone's have no clients here. */
  #ownMixes = new Set<string>();
  /** By mix tag and circuit id. BOUNDED: CIRCUITS_MAX. */
  readonly #circuits = new Map<string, Circuit>();
  /** By cookie. BOUNDED: by the circuits. */
  readonly #registered = new Map<string, Registration>();
  /** By the other rendezvous' tag and leg id. BOUNDED: CALLS_MAX. */
  readonly #legs = new Map<string, Call>();
  /** BOUNDED: CALLS_MAX. */
  readonly #calls = new Set<Call>();
  /** Rendezvous that drain, by tag, and the consensus of their zone. BOUNDED: by the view. */
  #draining = new Map<string, Consensus>();
  /** Calls on the link to each rendezvous. BOUNDED: by the consensus. */
  readonly #carried = new Map<string, number>();
  /** By tag: the boot of each mesh node whose circuits and legs are held. */
  #boots = new Map<string, number>();
  readonly #cell: Buffer;

  constructor(options: RendezvousOptions) {
    this.#options = options;
    const { params } = options.view.own;
    this.#geometry = GEOMETRY[params.profile];
    this.#own = new OwnKeys(options.view.own.zone, options.identity, options.keys);
    this.#links = new Links<MeshPeer>({
      self: this.#own,
      entropy: options.entropy,
      drops: options.drops,
      admit: (from) =>
        from && lists(this.#meshPeers.get(from.tag), from.key) ? { kind: 'mesh', tag: from.tag } : undefined,
      linksMax: 1024,
    });
    this.#mesh = new Mesh(this.#links, options.drops, options.entropy, this.#own.tag, this.#geometry.mesh);
    this.#cell = Buffer.alloc(this.#geometry.relay);
    this.update(options.now, options.view);
  }

  /** Follows a newer consensus. */
  update(now: Micros, view: View): void {
    this.#own.follow(view);
    const nodes = [...meshNodes(view, this.#own.tag).values()];
    const opening = nodes.filter(({ tag }) => initiates(tag, this.#own.tag));
    this.#meshPeers = new Map(opening.map(({ tag, linkKeys }) => [tag, linkKeys]));
    this.#forgetRestarted(new Map(nodes.map((node) => [node.tag, node.boot])));
    this.#draining = drainingOf(view);
    const mixes = view.own.nodes.filter(({ role }) => role === 'mix');
    this.#ownMixes = new Set(mixes.map(({ tag }) => tag));
    this.#mesh.update(now, view, (node) => ({ kind: 'mesh', tag: node.tag }));
  }

  /** What its files hold now. */
  rekey(keys: NodeKeys): void {
    this.#own.replace(keys);
  }

  /** What the mesh carried in the epoch that has ended: once after its end, else undefined. */
  takeDemand(): readonly ZoneDemand[] | undefined {
    return this.#mesh.takeDemand();
  }

  meshLinks(): { up: number; all: number } {
    return this.#mesh.linksUp();
  }

  rate(): Rate {
    return this.#mesh.rate();
  }

  /** Standing half-circuits, for the capacity metric: constant while clients stay attached, so it tells nothing of calls. */
  circuits(): number {
    return this.#circuits.size;
  }

  /** What a leak would show in: everything that must be back at its size once clients and calls are gone. */
  holdings(): { circuits: number; registrations: number; calls: number; legs: number } {
    return {
      circuits: this.#circuits.size,
      registrations: this.#registered.size,
      calls: this.#calls.size,
      legs: this.#legs.size,
    };
  }

  tick(now: Micros, inbox: PacketRing, outbox: PacketRing): void {
    for (let i = 0; i < inbox.count; i += 1) {
      const link = this.#links.receive(now, inbox, i, outbox);
      if (!link) continue;
      this.#mesh.attach(link.peer.tag, link);
      this.#message(now, link.peer.tag, inbox.bytes, this.#links.plainOffset, this.#links.plainLength);
    }
    for (const call of this.#calls) {
      if (now - call.heardAt > LEG_SILENCE_US) this.#forget(call);
      else this.#leaveDraining(now, call);
    }
    this.#links.tick(now, outbox, () => {});
    this.#mesh.tick(now, outbox);
  }

  #message(now: Micros, tag: string, bytes: Buffer, offset: number, length: number): void {
    const { drops } = this.#options;
    if (bytes[offset] !== MESSAGE_KIND.mesh) return drops.add('unknown_kind');
    if (length !== this.#geometry.mesh) return drops.add('truncated');
    const id = bytes.readUInt32BE(offset + 4);
    const body = bytes.subarray(offset + MESH_HEADER_BYTES, offset + length);
    switch (bytes[offset + 1]) {
      case MESH_COMMAND.pad:
        return;
      case MESH_COMMAND.create:
        return this.#create(tag, id, body);
      case MESH_COMMAND.cell:
        return this.#cellFromClient(now, tag, id, body);
      case MESH_COMMAND.join:
        return this.#join(now, tag, id, body);
      case MESH_COMMAND.relay:
        return this.#relayFromLeg(now, tag, id, body);
      case MESH_COMMAND.destroy:
        return this.#destroy(tag, id);
      default:
        return drops.add('unknown_kind');
    }
  }

  // Circuits

  #create(mixTag: string, id: number, body: Buffer): void {
    const { drops } = this.#options;
    if (!this.#ownMixes.has(mixTag)) return drops.add('foreign_mix');
    const read = respond('IK', PROLOGUE.circuit, this.#own.circuit, body.subarray(0, C1_BYTES));
    if (!read) return drops.add('bad_handshake');
    if (this.#circuits.size >= CIRCUITS_MAX) return drops.add('table_full');
    const { state } = read;
    const answer = state.write(new Uint8Array(0), draw(this.#options.entropy, KEY_BYTES))!;
    const keys = state.split();
    const cookie = cookieOf(state.remoteStatic!).toString('hex');
    this.#remove(this.#circuits.get(`${mixTag}/${id}`));
    const fresh: Registration = { cookie, circuits: [], calls: new Map(), rungAt: 0 };
    const registration = this.#registered.get(cookie) ?? fresh;
    this.#registered.set(cookie, registration);
    const circuit: Circuit = {
      mixTag,
      id,
      registration,
      send: new Aead(keys.send),
      receive: new Aead(keys.receive),
      window: new ReplayWindow(),
      sendCounter: 0,
    };
    wipe(keys.send);
    wipe(keys.receive);
    this.#circuits.set(`${mixTag}/${id}`, circuit);
    registration.circuits.push(circuit);
    if (registration.circuits.length > CIRCUITS_PER_CLIENT_MAX) this.#remove(registration.circuits[0]);
    this.#mesh.queue(mixTag, MESH_COMMAND.created, id, answer);
  }

  #remove(circuit: Circuit | undefined): void {
    if (!circuit) return;
    this.#circuits.delete(`${circuit.mixTag}/${circuit.id}`);
    const { registration } = circuit;
    const index = registration.circuits.indexOf(circuit);
    if (index >= 0) registration.circuits.splice(index, 1);
    // Its calls end by their silence: the client may be on its way to another mix.
    this.#unregister(registration);
  }

  #unregister(registration: Registration): void {
    if (registration.circuits.length === 0 && registration.calls.size === 0)
      this.#registered.delete(registration.cookie);
  }

  #cellFromClient(now: Micros, mixTag: string, id: number, body: Buffer): void {
    const { drops } = this.#options;
    const circuit = this.#circuits.get(`${mixTag}/${id}`);
    if (!circuit) return drops.add('unknown_circuit');
    const counter = body.readUInt32BE(0);
    if (!circuit.window.isFresh(counter)) return drops.add('replayed');
    if (!circuit.receive.open(body, COUNTER_BYTES, this.#geometry.relayPlain, counter)) return drops.add('bad_tag');
    circuit.window.mark(counter);
    const { registration } = circuit;
    const { circuits } = registration;
    // The client is reached where it was heard last.
    if (circuits.at(-1) !== circuit) {
      circuits.splice(circuits.indexOf(circuit), 1);
      circuits.push(circuit);
    }
    const plain = body.subarray(COUNTER_BYTES, COUNTER_BYTES + this.#geometry.relayPlain);
    switch (plain[0]) {
      case RELAY_COMMAND.setup:
        return this.#setup(now, registration, plain[1]!, plain.subarray(RELAY_HEADER_BYTES));
      case RELAY_COMMAND.pad:
      case RELAY_COMMAND.answer:
      case RELAY_COMMAND.voice:
      case RELAY_COMMAND.end:
        return this.#forward(now, registration, plain);
      default:
        return drops.add('unknown_kind');
    }
  }

  // Calls

  #setup(now: Micros, registration: Registration, number: number, body: Buffer): void {
    const { drops } = this.#options;
    if (number === 0 || number >= CALL_RUNG_FIRST) return drops.add('unknown_call');
    const target = body.toString('hex', 0, NODE_TAG_BYTES);
    const cookie = body.subarray(NODE_TAG_BYTES, NODE_TAG_BYTES + COOKIE_BYTES);
    const firstMessage = body.subarray(NODE_TAG_BYTES + COOKIE_BYTES, NODE_TAG_BYTES + COOKIE_BYTES + E1_BYTES);
    let call = registration.calls.get(number);
    if (call && !call.firstMessage.equals(firstMessage)) {
      this.#forget(call);
      call = undefined;
    }
    if (target === this.#own.tag) return this.#setupHere(now, registration, number, call, cookie, firstMessage);
    const leads = call?.peer.kind === 'leg' && call.peer.tag === target;
    if (!call || !leads) {
      if (!this.#roomTo(target, call)) return drops.add('mesh_full');
      const id = this.#mesh.openCircuit(target);
      if (id === undefined) return drops.add('unknown_circuit');
      const peer: Call['peer'] = { kind: 'leg', tag: target, id };
      // The same call by another way: the way before is forgotten.
      if (call) this.#rejoin(call, peer);
      else call = this.#begin(now, registration, number, firstMessage, peer, cookie);
      if (!call) return drops.add('table_full');
      call.legHeardAt = now;
    }
    this.#heard(now, call);
    if (call.peer.kind === 'leg')
      this.#mesh.queue(target, MESH_COMMAND.join, call.peer.id, Buffer.concat([cookie, firstMessage]));
  }

  /** Caller and callee have this rendezvous in common: their ends are joined without a leg. */
  #setupHere(
    now: Micros,
    caller: Registration,
    number: number,
    known: Call | undefined,
    cookie: Buffer,
    firstMessage: Buffer,
  ): void {
    const { drops } = this.#options;
    const callee = this.#registered.get(cookie.toString('hex'));
    if (!callee || callee === caller) return drops.add('unknown_cookie');
    let call = known;
    let other = callCarrying(callee, firstMessage);
    if (!other) {
      if (isBusy(now, callee)) return drops.add('callee_busy');
      other = this.#ringing(now, callee, firstMessage, NOBODY);
      if (!other) return drops.add('table_full');
    }
    if (!call) {
      call = this.#begin(now, caller, number, firstMessage, { kind: 'here', call: other }, cookie);
      if (!call) return drops.add('table_full');
    }
    if (call.peer.kind !== 'here' || call.peer.call !== other) this.#rejoin(call, { kind: 'here', call: other });
    if (other.peer.kind !== 'here' || other.peer.call !== call) this.#rejoin(other, { kind: 'here', call });
    this.#heard(now, call);
    this.#heard(now, other);
    this.#ring(now, other);
  }

  #join(now: Micros, tag: string, id: number, body: Buffer): void {
    const { drops } = this.#options;
    const firstMessage = body.subarray(COOKIE_BYTES, COOKIE_BYTES + E1_BYTES);
    const peer: Call['peer'] = { kind: 'leg', tag, id };
    let call = this.#legs.get(`${tag}/${id}`);
    if (call) {
      // The caller has come back to the leg before.
      if (call.peer.kind !== 'leg' || !isSame(call.peer, peer)) this.#rejoin(call, peer);
    } else {
      const registration = this.#registered.get(body.toString('hex', 0, COOKIE_BYTES));
      // Silence is the one answer to a caller who cannot be put through, whatever the reason: it tells a stranger nothing.
      if (!registration) return drops.add('unknown_cookie');
      call = callCarrying(registration, firstMessage);
      if (call) this.#rejoin(call, peer);
      else if (isBusy(now, registration)) return drops.add('callee_busy');
      else if (!this.#roomTo(tag, undefined)) return drops.add('mesh_full');
      else call = this.#ringing(now, registration, firstMessage, peer);
      if (!call) return drops.add('table_full');
    }
    call.legHeardAt = now;
    this.#heard(now, call);
    this.#ring(now, call);
  }

  /** Rings unless the client has answered, or was rung just now, or it is another call's turn. */
  #ring(now: Micros, call: Call): void {
    const { registration } = call;
    if (now - call.spokenAt < BUSY_US || now - registration.rungAt < RING_PAUSE_US || !hasTurn(now, call)) return;
    registration.rungAt = now;
    call.rungAt = now;
    this.#toClient(call, RELAY_COMMAND.ring, call.firstMessage);
  }

  #ringing(now: Micros, callee: Registration, firstMessage: Buffer, peer: Call['peer']): Call | undefined {
    let number = CALL_RUNG_FIRST;
    while (callee.calls.has(number)) number += 1;
    if (number > CALL_MAX) return undefined;
    return this.#begin(now, callee, number, firstMessage, peer);
  }

  #relayFromLeg(now: Micros, tag: string, id: number, body: Buffer): void {
    const call = this.#legs.get(`${tag}/${id}`);
    if (!call) return this.#options.drops.add('unknown_circuit');
    this.#heard(now, call);
    const leg: Leg = { tag, id };
    if (call.next && isSame(call.next, leg)) this.#rejoin(call, { kind: 'leg', tag, id });
    else if (call.former && isSame(call.former, leg)) this.#goBack(now, call, call.former);
    if (call.peer.kind === 'leg' && isSame(call.peer, leg)) call.legHeardAt = now;
    this.#deliver(call, body.subarray(0, this.#geometry.relayPlain));
  }

  /** The callee was not to be had where the caller looked for him, and is back where he was: nothing comes by the new leg. */
  #goBack(now: Micros, call: Call, former: Leg): void {
    const isBack = call.peer.kind === 'leg' && now - call.legHeardAt > FORMER_US;
    if (isBack && this.#roomTo(former.tag, call)) this.#rejoin(call, { kind: 'leg', ...former });
  }

  /**
   * A call to a rendezvous that drains goes to another one of the callee, without a word of the caller: SETUP would cost
   * him a frame. It stays on the old leg until the callee, who is rung there and is in the call already, is heard.
   */
  #leaveDraining(now: Micros, call: Call): void {
    const { peer, calleeCookie, registration, number, firstMessage } = call;
    if (!calleeCookie || peer.kind !== 'leg' || now - call.joinedAt < JOIN_AGAIN_US) return;
    const consensus = this.#draining.get(peer.tag);
    // Who has not spoken lately may have gone elsewhere himself; who has not been answered says SETUP.
    if (!consensus || !call.established || now - call.spokenAt > BUSY_US) return;
    const [target] = rendezvousOf(calleeCookie, consensus);
    if (!target || target.draining) return;
    call.joinedAt = now;
    if (target.tag === this.#own.tag)
      return this.#setupHere(now, registration, number, call, calleeCookie, firstMessage);
    const leg = this.#nextLeg(call, target.tag);
    if (leg) this.#mesh.queue(leg.tag, MESH_COMMAND.join, leg.id, Buffer.concat([calleeCookie, firstMessage]));
  }

  #nextLeg(call: Call, tag: string): Leg | undefined {
    if (call.next?.tag === tag) return call.next;
    const id = this.#roomTo(tag, call) ? this.#mesh.openCircuit(tag) : undefined;
    if (id === undefined) return undefined;
    this.#dropLeg(call.next);
    call.next = { tag, id };
    this.#legs.set(`${tag}/${id}`, call);
    return call.next;
  }

  /** A cell of a client that is in a call goes to the other side as it is. */
  #forward(now: Micros, registration: Registration, plain: Buffer): void {
    const call = registration.calls.get(plain[1]!);
    if (!call) {
      // PAD before a call and the repeated END after one are how clients talk; anything else has lost its call.
      const expected = plain[0] === RELAY_COMMAND.pad || plain[0] === RELAY_COMMAND.end;
      return expected ? undefined : this.#options.drops.add('unknown_call');
    }
    this.#heard(now, call);
    call.established ||= plain[0] === RELAY_COMMAND.voice || plain[0] === RELAY_COMMAND.answer;
    const isPad = plain[0] === RELAY_COMMAND.pad;
    // A client that rings says PAD: it has not answered, and goes on being rung.
    if (call.established || !isPad) call.spokenAt = now;
    // Passed on, it would tell a stranger that there is somebody.
    if (isPad) return;
    const { peer } = call;
    if (peer.kind === 'leg') this.#mesh.queue(peer.tag, MESH_COMMAND.relay, peer.id, plain);
    else if (peer.kind === 'here') {
      this.#heard(now, peer.call);
      return this.#deliver(peer.call, plain);
    }
    if (plain[0] === RELAY_COMMAND.end) this.#forget(call);
  }

  /** A relay cell of the other end; after END there is no call. */
  #deliver(call: Call, plain: Buffer): void {
    this.#toClient(call, plain[0]!, plain.subarray(RELAY_HEADER_BYTES));
    if (plain[0] === RELAY_COMMAND.end) this.#forget(call);
  }

  #toClient(call: Call, command: number, body: Buffer): void {
    const circuit = call.registration.circuits.at(-1);
    if (!circuit) return;
    const cell = this.#cell.fill(0);
    cell.writeUInt32BE(circuit.sendCounter, 0);
    cell[COUNTER_BYTES] = command;
    cell[COUNTER_BYTES + 1] = call.number;
    body.copy(cell, COUNTER_BYTES + RELAY_HEADER_BYTES, 0, this.#geometry.relayBody);
    circuit.send.seal(cell, COUNTER_BYTES, this.#geometry.relayPlain, circuit.sendCounter);
    circuit.sendCounter += 1;
    this.#mesh.queue(circuit.mixTag, MESH_COMMAND.cell, circuit.id, cell);
  }

  /** undefined when a table is full. */
  #begin(
    now: Micros,
    registration: Registration,
    number: number,
    firstMessage: Buffer,
    peer: Call['peer'],
    calleeCookie?: Buffer,
  ): Call | undefined {
    if (this.#calls.size >= CALLS_MAX || registration.calls.size >= CALLS_PER_CLIENT_MAX) return undefined;
    const message = Buffer.from(firstMessage);
    const call: Call = {
      registration,
      number,
      firstMessage: message,
      peer: NOBODY,
      former: undefined,
      legHeardAt: now,
      next: undefined,
      joinedAt: 0,
      calleeCookie: calleeCookie && Buffer.from(calleeCookie),
      heardAt: now,
      spokenAt: 0,
      rungAt: 0,
      established: false,
    };
    registration.calls.set(number, call);
    this.#calls.add(call);
    this.#rejoin(call, peer);
    return call;
  }

  /** What is under way on the leg before still arrives: a call that finds another way loses nothing by it. */
  #rejoin(call: Call, peer: Call['peer']): void {
    this.#dropLeg(call.former);
    this.#dropLeg(call.next);
    call.next = undefined;
    call.former = call.peer.kind === 'leg' ? call.peer : undefined;
    if (call.former) this.#carry(call.former.tag, -1);
    call.peer = peer;
    if (peer.kind !== 'leg') return;
    this.#legs.set(`${peer.tag}/${peer.id}`, call);
    this.#carry(peer.tag, 1);
  }

  #unjoin(call: Call): void {
    this.#rejoin(call, NOBODY);
    this.#dropLeg(call.former);
    call.former = undefined;
  }

  #dropLeg(leg: Leg | undefined): void {
    if (leg) this.#legs.delete(`${leg.tag}/${leg.id}`);
  }

  #carry(tag: string, more: number): void {
    const calls = (this.#carried.get(tag) ?? 0) + more;
    if (calls > 0) this.#carried.set(tag, calls);
    else this.#carried.delete(tag);
  }

  /** Whether the link takes one more call: its rate is not raised for one (WIRE.md 4). */
  #roomTo(tag: string, moving: Call | undefined): boolean {
    const already = moving?.peer.kind === 'leg' && moving.peer.tag === tag ? 1 : 0;
    return (this.#carried.get(tag) ?? 0) - already < this.#mesh.cellsPerTick(tag);
  }

  #heard(now: Micros, call: Call): void {
    call.heardAt = now;
  }

  #forget(call: Call): void {
    if (!this.#calls.delete(call)) return;
    const { registration, number, peer } = call;
    if (registration.calls.get(number) === call) registration.calls.delete(number);
    this.#unjoin(call);
    this.#unregister(registration);
    // Unless that one has found another way.
    if (peer.kind === 'here' && peer.call.peer.kind === 'here' && peer.call.peer.call === call) this.#forget(peer.call);
  }

  /** A node that has restarted or left knows nothing of its circuits and legs, and will use their ids again. */
  #forgetRestarted(boots: Map<string, number>): void {
    const isGone = (tag: string, id: number) => {
      const [before, after] = [this.#boots.get(tag), boots.get(tag)];
      // The new process may have been faster than the news of it.
      return before !== after && !isOfNewProcess(id, before, after);
    };
    const isOver = (leg: Leg | undefined) => leg !== undefined && isGone(leg.tag, leg.id);
    for (const call of this.#calls) {
      if (call.peer.kind === 'leg' && isOver(call.peer)) this.#rejoin(call, NOBODY);
      if (isOver(call.former)) {
        this.#dropLeg(call.former);
        call.former = undefined;
      }
      if (isOver(call.next)) {
        this.#dropLeg(call.next);
        call.next = undefined;
      }
    }
    for (const circuit of this.#circuits.values()) if (isGone(circuit.mixTag, circuit.id)) this.#remove(circuit);
    this.#boots = boots;
  }

  #destroy(tag: string, id: number): void {
    this.#remove(this.#circuits.get(`${tag}/${id}`));
    // The mix says it until it hears it.
    if (this.#ownMixes.has(tag)) this.#mesh.queue(tag, MESH_COMMAND.destroy, id, Buffer.alloc(0));
    const call = this.#legs.get(`${tag}/${id}`);
    if (call) this.#forget(call);
  }
}

function isSame(a: Leg, b: Leg): boolean {
  return a.tag === b.tag && a.id === b.id;
}

function drainingOf({ own, peers }: View): Map<string, Consensus> {
  const draining = new Map<string, Consensus>();
  for (const consensus of [own, ...peers]) {
    for (const { role, draining: drains, tag } of consensus.nodes)
      if (role === 'rendezvous' && drains && !draining.has(tag)) draining.set(tag, consensus);
  }
  return draining;
}

function callCarrying({ calls }: Registration, firstMessage: Buffer): Call | undefined {
  for (const call of calls.values()) if (call.firstMessage.equals(firstMessage)) return call;
  return undefined;
}

/**
 * Whether none of the client's other calls has waited longer to ring: SETUPs come every 200 ms, so of two callers the one
 * who is not taken would else keep the other from ever ringing.
 */
function hasTurn(now: Micros, call: Call): boolean {
  for (const other of call.registration.calls.values()) {
    const rings =
      other.number >= CALL_RUNG_FIRST && now - other.heardAt < RING_TURN_US && now - other.spokenAt > BUSY_US;
    if (rings && other.rungAt < call.rungAt) return false;
  }
  return true;
}

/** In a call already, as somebody who has spoken in one lately; one who only calls himself is not. */
function isBusy(now: Micros, { calls }: Registration): boolean {
  for (const call of calls.values()) if (call.established && now - call.spokenAt < BUSY_US) return true;
  return false;
}
