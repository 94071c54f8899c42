import { type Micros, SECOND_US } from '../core/units.ts';
import { ReplayWindow } from '../crypto/replay.ts';
import { ATTACHMENTS_MAX, CIRCUITS_MAX } from '../wire/constants.ts';
import type { Circuit, Session } from './session.ts';

/**
 * The half-circuits of a mix's sessions (WIRE.md 2), without keys or packets.
 *
 * Property: a circuit that a rendezvous holds for this mix is one of a session's, or its rendezvous is told that it is over
 * until it says that it knows: neither end keeps one that the other has forgotten.
 */
/** Circuits that are over and whose rendezvous has not said so; and how long it is given to. */
const ENDED_MAX = 16_384;
const ENDED_AGAIN_US = SECOND_US;
/**
 * A half-circuit that is spare, most of all because its rendezvous drains or its attachment was left, stands for so long
 * beside the one that is there in its stead, whether a call is on it or not: the news takes 8 s to the farthest end of a call (5 s between directories,
 * 3 s to their nodes), and the call a few round trips to find its new way.
 */
const CIRCUIT_OVERLAP_US = 12 * SECOND_US;

export class Circuits {
  /** By rendezvous tag and circuit. BOUNDED: CIRCUITS_MAX per session. */
  readonly #known = new Map<string, { readonly session: Session; readonly number: number }>();
  /** By rendezvous tag and circuit: what is over, until the rendezvous knows it. BOUNDED: ENDED_MAX, the oldest is forgotten. */
  readonly #ended = new Map<string, { readonly tag: string; readonly id: number; readonly toldAt: Micros }>();
  #boots: ReadonlyMap<string, number> = new Map();

  /** Those of sessions. */
  get size(): number {
    return this.#known.size;
  }

  /** Those that are over and whose rendezvous has not said that it knows. */
  get ending(): number {
    return this.#ended.size;
  }

  at(tag: string, id: number): { readonly session: Session; readonly number: number } | undefined {
    return this.#known.get(`${tag}/${id}`);
  }

  /** The rendezvous has made a circuit, which takes the place of the session's one of that number. */
  take(now: Micros, session: Session, number: number, rendezvousTag: string, id: number): void {
    const { circuits } = session;
    const before = circuits[number];
    if (before) this.#destroy(before);
    const spoken = new ReplayWindow();
    circuits[number] = { rendezvousTag, id, spoken, stands: true, madeAt: now };
    this.#known.set(`${rendezvousTag}/${id}`, { session, number });
  }

  /** Ends half-circuits that are spare, when whatever is on them has had the time to go. */
  endSpare(now: Micros, session: Session, drainsSince: ReadonlyMap<string, Micros>): void {
    for (const [number, circuit] of session.circuits.entries()) {
      if (!circuit?.stands) continue;
      const other = session.circuits[(number + ATTACHMENTS_MAX) % CIRCUITS_MAX];
      const since = other?.stands ? spareSince(circuit, other, drainsSince) : orphanSince(session, number, circuit);
      if (now - since <= CIRCUIT_OVERLAP_US) continue;
      this.#destroy(circuit);
      session.circuits[number] = undefined;
      session.announce();
    }
  }

  /** The session is over. */
  release(session: Session): void {
    for (const circuit of session.circuits) if (circuit) this.#destroy(circuit);
  }

  /** The boots of the mesh as they are now: circuits that their rendezvous has lost; the clients are told, and make others. */
  follow(boots: ReadonlyMap<string, number>, sessions: Iterable<Session>): void {
    const restarted = (tag: string) => boots.get(tag) !== this.#boots.get(tag);
    for (const session of sessions) {
      for (const circuit of session.circuits) {
        if (!circuit?.stands || !restarted(circuit.rendezvousTag)) continue;
        this.lost(circuit.rendezvousTag, circuit.id);
        // The new process may have been faster than the news of it, and have made it.
        this.end(circuit.rendezvousTag, circuit.id);
      }
    }
    this.#boots = boots;
  }

  /** The rendezvous says that it has none. */
  lost(tag: string, id: number): void {
    this.#ended.delete(`${tag}/${id}`);
    const known = this.#known.get(`${tag}/${id}`);
    if (!known) return;
    this.#known.delete(`${tag}/${id}`);
    known.session.circuits[known.number]!.stands = false;
    known.session.announce();
  }

  /** It is over here; its rendezvous is told until it answers. */
  end(tag: string, id: number): void {
    if (this.#ended.size === ENDED_MAX) this.#ended.delete(this.#ended.keys().next().value!);
    this.#ended.set(`${tag}/${id}`, { tag, id, toldAt: 0 });
  }

  /**
   * Which one its rendezvous is to be told of now, if it can be: one in a tick, so that many that end at once do not take
   * each other's place in the queue.
   */
  tell(now: Micros, reaches: (tag: string) => boolean): { readonly tag: string; readonly id: number } | undefined {
    const [first] = this.#ended;
    if (!first || now - first[1].toldAt < ENDED_AGAIN_US) return undefined;
    const [key, { tag, id }] = first;
    this.#ended.delete(key);
    if (!reaches(tag)) return undefined;
    this.#ended.set(key, { tag, id, toldAt: now });
    return { tag, id };
  }

  #destroy({ rendezvousTag, id, stands }: Circuit): void {
    if (!stands) return;
    this.#known.delete(`${rendezvousTag}/${id}`);
    this.end(rendezvousTag, id);
  }
}

/** From when on its attachment is gone while another one's circuit leads there; Infinity if not. */
function orphanSince({ attachments, circuits, leftAt }: Session, number: number, { rendezvousTag }: Circuit): Micros {
  const own = number % ATTACHMENTS_MAX;
  if (attachments[own]) return Infinity;
  let since = Infinity;
  for (const [otherNumber, other] of circuits.entries()) {
    if (!other?.stands || other.rendezvousTag !== rendezvousTag || !attachments[otherNumber % ATTACHMENTS_MAX])
      continue;
    since = Math.min(since, Math.max(other.madeAt, leftAt[own] ?? Infinity));
  }
  return since;
}

/** From when on there is a newer one to the same rendezvous, or one that stays while this one's drains; Infinity if not. */
function spareSince(circuit: Circuit, other: Circuit, drainsSince: ReadonlyMap<string, Micros>): Micros {
  if (circuit.rendezvousTag === other.rendezvousTag) return other.madeAt > circuit.madeAt ? other.madeAt : Infinity;
  if (drainsSince.has(other.rendezvousTag)) return Infinity;
  const since = drainsSince.get(circuit.rendezvousTag) ?? Infinity;
  return Math.max(since, other.madeAt, circuit.madeAt);
}
