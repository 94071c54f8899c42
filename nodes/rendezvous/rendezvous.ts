import { nodeTag, type View } from '../config/consensus.ts';
import { cookieOf } from '../config/contact.ts';
import type { DropCounters } from '../core/drop.ts';
import type { Entropy, Machine } from '../core/machine.ts';
import type { PacketRing } from '../core/ring.ts';
import { type Micros, SECOND_US } from '../core/units.ts';
import { Aead } from '../crypto/aead.ts';
import { type Identity, KEY_BYTES, wipe } from '../crypto/keys.ts';
import { Handshake } from '../crypto/noise.ts';
import { ReplayWindow } from '../crypto/replay.ts';
import { Links } from '../link/links.ts';
import { initiates, Mesh, type MeshPeer, meshNodes } from '../link/mesh.ts';
import {
  C1_BYTES,
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
 * goes out on a link is the mesh's constant rate.
 */
const LEG_SILENCE_US = 5 * SECOND_US;
/** BOUNDED: half-circuits of one rendezvous; at one per client, more clients than a mesh link of a small zone can serve. */
const CIRCUITS_MAX = 65_536;
/** BOUNDED: calls at once; far more than the mesh carries cells per tick. */
const LEGS_MAX = 4_096;

/** A client's half-circuit: the mix's end of it and the keys shared with the client. */
interface Circuit {
  readonly mixTag: string;
  readonly id: number;
  readonly cookie: string;
  readonly send: Aead;
  readonly receive: Aead;
  readonly window: ReplayWindow;
  sendCounter: number;
  call: Call | undefined;
}

/** The other half of a call: a leg to another rendezvous, or a circuit that ends here as well. */
interface Call {
  readonly circuit: Circuit;
  readonly peer: { kind: 'leg'; tag: string; id: number } | { kind: 'circuit'; circuit: Circuit };
  /** E1 of the SETUP, so that a repeated one is not a second call. */
  readonly firstMessage: Buffer;
  heardAt: Micros;
}

export interface RendezvousOptions {
  readonly identity: Identity;
  readonly entropy: Entropy;
  readonly drops: DropCounters;
  readonly view: View;
  readonly now: Micros;
}

export class Rendezvous implements Machine {
  readonly #options: RendezvousOptions;
  readonly #geometry: Geometry;
  readonly #tag: string;
  readonly #links: Links<MeshPeer>;
  readonly #mesh: Mesh<MeshPeer>;
  #meshByKey = new Map<string, MeshPeer>();
  /** Tags of the own zone's mixes: another zone's have no clients here. */
  #ownMixes = new Set<string>();
  /** By mix tag and circuit id. */
  readonly #circuits = new Map<string, Circuit>();
  /** By cookie; the newest circuit of a client counts. */
  readonly #registered = new Map<string, Circuit>();
  /** Calls to another rendezvous, by its tag and leg id. */
  readonly #legs = new Map<string, Call>();
  readonly #calls = new Set<Call>();
  /** By tag: the boot of each mesh node whose circuits and legs are held. */
  #boots = new Map<string, number>();
  readonly #cell: Buffer;

  constructor(options: RendezvousOptions) {
    this.#options = options;
    const { params } = options.view.own;
    this.#geometry = GEOMETRY[params.profile];
    this.#tag = nodeTag(options.identity.link.publicKey);
    this.#links = new Links<MeshPeer>({
      self: options.identity.link,
      entropy: options.entropy,
      drops: options.drops,
      admit: (key) => (key ? this.#meshByKey.get(key.toString('hex')) : undefined),
      linksMax: 1024,
    });
    this.#mesh = new Mesh(this.#links, options.drops, this.#tag, this.#geometry.mesh, params.meshCellsPerTick);
    this.#cell = Buffer.alloc(this.#geometry.relay);
    this.update(options.now, options.view);
  }

  /** Follows a newer consensus. */
  update(now: Micros, view: View): void {
    const nodes = [...meshNodes(view, this.#tag).values()];
    this.#meshByKey = new Map(
      nodes
        .filter((node) => initiates(node.tag, this.#tag))
        .map((node) => [node.linkKey.toString('hex'), { kind: 'mesh', tag: node.tag }]),
    );
    this.#forgetRestarted(new Map(nodes.map((node) => [node.tag, node.boot])));
    const mixes = view.own.nodes.filter(({ role }) => role === 'mix');
    this.#ownMixes = new Set(mixes.map(({ tag }) => tag));
    this.#mesh.update(now, view, (node) => ({ kind: 'mesh', tag: node.tag }));
  }

  meshLinks(): { up: number; all: number } {
    return this.#mesh.linksUp();
  }

  /** Standing half-circuits, for the capacity metric: constant while clients stay attached, so it tells nothing of calls. */
  circuits(): number {
    return this.#circuits.size;
  }

  tick(now: Micros, inbox: PacketRing, outbox: PacketRing): void {
    for (let i = 0; i < inbox.count; i += 1) {
      const link = this.#links.receive(now, inbox, i, outbox);
      if (!link) continue;
      this.#mesh.attach(link.peer.tag, link);
      this.#message(now, link.peer.tag, inbox.bytes, this.#links.plainOffset, this.#links.plainLength);
    }
    for (const call of this.#calls) if (now - call.heardAt > LEG_SILENCE_US) this.#forget(call);
    this.#links.tick(now, outbox, () => {});
    this.#mesh.tick(outbox);
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

  #create(mixTag: string, id: number, body: Buffer): void {
    const { drops, identity } = this.#options;
    if (!this.#ownMixes.has(mixTag)) return drops.add('foreign_mix');
    const state = new Handshake({ pattern: 'IK', initiator: false, prologue: PROLOGUE.circuit, local: identity.link });
    if (!state.read(body.subarray(0, C1_BYTES))) return drops.add('bad_handshake');
    if (this.#circuits.size >= CIRCUITS_MAX) return drops.add('table_full');
    const answer = state.write(new Uint8Array(0), this.#random(KEY_BYTES))!;
    const keys = state.split();
    const cookie = cookieOf(state.remoteStatic!).toString('hex');
    this.#remove(this.#circuits.get(`${mixTag}/${id}`));
    const circuit: Circuit = {
      mixTag,
      id,
      cookie,
      send: new Aead(keys.send),
      receive: new Aead(keys.receive),
      window: new ReplayWindow(),
      sendCounter: 0,
      call: undefined,
    };
    wipe(keys.send);
    wipe(keys.receive);
    this.#circuits.set(`${mixTag}/${id}`, circuit);
    this.#registered.set(cookie, circuit);
    this.#mesh.queue(mixTag, MESH_COMMAND.created, id, answer);
  }

  #cellFromClient(now: Micros, mixTag: string, id: number, body: Buffer): void {
    const { drops } = this.#options;
    const circuit = this.#circuits.get(`${mixTag}/${id}`);
    if (!circuit) return drops.add('unknown_circuit');
    const counter = body.readUInt32BE(0);
    if (!circuit.window.isFresh(counter)) return drops.add('replayed');
    if (!circuit.receive.open(body, COUNTER_BYTES, this.#geometry.relayPlain, counter)) return drops.add('bad_tag');
    circuit.window.mark(counter);
    const plain = body.subarray(COUNTER_BYTES, COUNTER_BYTES + this.#geometry.relayPlain);
    switch (plain[0]) {
      case RELAY_COMMAND.setup:
        return this.#setup(now, circuit, plain.subarray(RELAY_HEADER_BYTES));
      case RELAY_COMMAND.pad:
      case RELAY_COMMAND.answer:
      case RELAY_COMMAND.voice:
      case RELAY_COMMAND.end:
        return this.#forward(now, circuit, plain);
      default:
        return drops.add('unknown_kind');
    }
  }

  #setup(now: Micros, circuit: Circuit, body: Buffer): void {
    const target = body.toString('hex', 0, NODE_TAG_BYTES);
    const cookie = body.subarray(NODE_TAG_BYTES, NODE_TAG_BYTES + COOKIE_BYTES);
    const firstMessage = body.subarray(NODE_TAG_BYTES + COOKIE_BYTES, NODE_TAG_BYTES + COOKIE_BYTES + E1_BYTES);
    let call = circuit.call;
    if (call && !call.firstMessage.equals(firstMessage)) {
      this.#forget(call);
      call = undefined;
    }
    if (call) call.heardAt = now;
    if (target === this.#tag) return this.#setupHere(now, circuit, cookie, firstMessage);
    if (!call) {
      if (this.#legs.size >= LEGS_MAX) return this.#options.drops.add('table_full');
      const id = this.#mesh.openCircuit(target);
      if (id === undefined) return this.#options.drops.add('unknown_circuit');
      call = this.#begin(now, circuit, { kind: 'leg', tag: target, id }, firstMessage);
    }
    if (call.peer.kind !== 'leg') return;
    this.#mesh.queue(call.peer.tag, MESH_COMMAND.join, call.peer.id, Buffer.concat([cookie, firstMessage]));
  }

  /** Caller and callee have the same rendezvous: their circuits are joined without a leg. */
  #setupHere(now: Micros, circuit: Circuit, cookie: Buffer, firstMessage: Buffer): void {
    const callee = this.#registered.get(cookie.toString('hex'));
    if (!callee || callee === circuit) return this.#options.drops.add('unknown_cookie');
    if (!circuit.call) {
      if (callee.call) return this.#options.drops.add('channel_busy');
      this.#begin(now, circuit, { kind: 'circuit', circuit: callee }, firstMessage);
      this.#begin(now, callee, { kind: 'circuit', circuit }, Buffer.from(firstMessage));
    }
    this.#toClient(callee, RELAY_COMMAND.ring, firstMessage);
  }

  #join(now: Micros, tag: string, id: number, body: Buffer): void {
    const key = `${tag}/${id}`;
    const firstMessage = body.subarray(COOKIE_BYTES, COOKIE_BYTES + E1_BYTES);
    let call = this.#legs.get(key);
    if (!call) {
      const circuit = this.#registered.get(body.toString('hex', 0, COOKIE_BYTES));
      // Silence is the one answer to a caller who cannot be put through, whatever the reason: it tells a stranger nothing.
      if (!circuit) return this.#options.drops.add('unknown_cookie');
      if (circuit.call) return this.#options.drops.add('channel_busy');
      if (this.#legs.size >= LEGS_MAX) return this.#options.drops.add('table_full');
      call = this.#begin(now, circuit, { kind: 'leg', tag, id }, firstMessage);
    }
    call.heardAt = now;
    this.#toClient(call.circuit, RELAY_COMMAND.ring, firstMessage);
  }

  #relayFromLeg(now: Micros, tag: string, id: number, body: Buffer): void {
    const call = this.#legs.get(`${tag}/${id}`);
    if (!call) return this.#options.drops.add('unknown_circuit');
    call.heardAt = now;
    const plain = body.subarray(0, this.#geometry.relayPlain);
    this.#toClient(call.circuit, plain[0]!, plain.subarray(RELAY_HEADER_BYTES));
    if (plain[0] === RELAY_COMMAND.end) this.#forget(call);
  }

  /** A cell of a client that is in a call goes to the other side as it is. */
  #forward(now: Micros, circuit: Circuit, plain: Buffer): void {
    const { call } = circuit;
    if (!call) {
      // PAD before a call and the repeated END after one are how clients talk; anything else has lost its call.
      const expected = plain[0] === RELAY_COMMAND.pad || plain[0] === RELAY_COMMAND.end;
      return expected ? undefined : this.#options.drops.add('unknown_circuit');
    }
    if (call.peer.kind === 'leg') {
      this.#mesh.queue(call.peer.tag, MESH_COMMAND.relay, call.peer.id, plain);
    } else {
      if (call.peer.circuit.call) call.peer.circuit.call.heardAt = now;
      this.#toClient(call.peer.circuit, plain[0]!, plain.subarray(RELAY_HEADER_BYTES));
    }
    if (plain[0] === RELAY_COMMAND.end) this.#forget(call);
  }

  #toClient(circuit: Circuit, command: number, body: Buffer): void {
    const cell = this.#cell.fill(0);
    cell.writeUInt32BE(circuit.sendCounter, 0);
    cell[COUNTER_BYTES] = command;
    body.copy(cell, COUNTER_BYTES + RELAY_HEADER_BYTES, 0, this.#geometry.relayBody);
    circuit.send.seal(cell, COUNTER_BYTES, this.#geometry.relayPlain, circuit.sendCounter);
    circuit.sendCounter += 1;
    this.#mesh.queue(circuit.mixTag, MESH_COMMAND.cell, circuit.id, cell);
  }

  #begin(now: Micros, circuit: Circuit, peer: Call['peer'], firstMessage: Buffer): Call {
    const call: Call = { circuit, peer, firstMessage: Buffer.from(firstMessage), heardAt: now };
    circuit.call = call;
    this.#calls.add(call);
    if (peer.kind === 'leg') this.#legs.set(`${peer.tag}/${peer.id}`, call);
    return call;
  }

  #forget(call: Call): void {
    this.#calls.delete(call);
    if (call.circuit.call === call) call.circuit.call = undefined;
    if (call.peer.kind === 'circuit') {
      if (call.peer.circuit.call) this.#forget(call.peer.circuit.call);
      return;
    }
    const key = `${call.peer.tag}/${call.peer.id}`;
    if (this.#legs.get(key) === call) this.#legs.delete(key);
  }

  /** A node that has restarted or left knows nothing of its circuits and legs, and will use their ids again. */
  #forgetRestarted(boots: Map<string, number>): void {
    const restarted = (tag: string) => boots.get(tag) !== this.#boots.get(tag);
    for (const call of this.#calls) if (call.peer.kind === 'leg' && restarted(call.peer.tag)) this.#forget(call);
    for (const circuit of this.#circuits.values()) if (restarted(circuit.mixTag)) this.#remove(circuit);
    this.#boots = boots;
  }

  #destroy(tag: string, id: number): void {
    this.#remove(this.#circuits.get(`${tag}/${id}`));
    const leg = this.#legs.get(`${tag}/${id}`);
    if (leg) this.#forget(leg);
  }

  #remove(circuit: Circuit | undefined): void {
    if (!circuit) return;
    if (circuit.call) this.#forget(circuit.call);
    this.#circuits.delete(`${circuit.mixTag}/${circuit.id}`);
    if (this.#registered.get(circuit.cookie) === circuit) this.#registered.delete(circuit.cookie);
  }

  #random(bytes: number): Buffer {
    const buffer = Buffer.alloc(bytes);
    this.#options.entropy(buffer);
    return buffer;
  }
}
