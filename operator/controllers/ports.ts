/**
 * Gives slots the ports of their machines.
 *
 * Property: of two slots whose pods may land on one machine no port is given to both; so the scheduler, which keeps pods with
 * the same port apart, need not keep a node waiting for one. A port that was given is in the slot's spec and stays, until the
 * range is another. Where two slots have one nevertheless, by hand or after their machines' labels were changed, the one
 * that comes first by name keeps it.
 */
import type { NodeSlot } from '../api/slot.ts';
import { keyOf } from '../kube/types.ts';
import { candidates, isIn, mayMeet, portsOf } from '../plan/ports.ts';

export class Ports {
  /** By slot key. What was given counts before the cache shows it. BOUNDED: by living slots. */
  readonly #held = new Map<string, NodeSlot>();
  /** By port, the keys of slots. BOUNDED: two ports for each of #held. */
  readonly #holders = new Map<number, Set<string>>();

  /** What the cache shows now of the slot: undefined when it is no more. */
  see(key: string, slot: NodeSlot | undefined): void {
    // One without a port may be one whose port is not shown yet.
    if (slot?.spec.network.mode === 'Host' && slot.spec.port === undefined) return;
    this.#release(key);
    if (slot?.spec.network.mode === 'Host') this.#hold(key, slot);
  }

  /** The port for cells that the slot is to have: undefined when it needs none, or none is free. */
  of(slot: NodeSlot): number | undefined {
    const key = keyOf(slot);
    const { mode, ports } = slot.spec.network;
    if (mode === 'Pod') return undefined;
    const had = slot.spec.port ?? this.#held.get(key)?.spec.port;
    const keeps = had !== undefined && isIn(ports, had) && this.#isFree(slot, had, (other) => other < key);
    const isFree = (port: number) => this.#isFree(slot, port, (other) => other !== key);
    const port = keeps ? had : candidates(ports, slot.metadata.name).find(isFree);
    // While there is none it runs on where it is.
    if (port === undefined) return undefined;
    this.#release(key);
    this.#hold(key, having(slot, port));
    return port;
  }

  #isFree(slot: NodeSlot, port: number, counts: (key: string) => boolean): boolean {
    return numbersOf(having(slot, port)).every((number) =>
      [...(this.#holders.get(number) ?? [])].every(
        (key) => !counts(key) || !mayMeet(slot.spec.nodeSelector, this.#held.get(key)!.spec.nodeSelector),
      ),
    );
  }

  #hold(key: string, slot: NodeSlot): void {
    this.#held.set(key, slot);
    for (const number of numbersOf(slot)) this.#holders.set(number, (this.#holders.get(number) ?? new Set()).add(key));
  }

  #release(key: string): void {
    const slot = this.#held.get(key);
    if (!slot) return;
    this.#held.delete(key);
    for (const number of numbersOf(slot)) {
      const holders = this.#holders.get(number)!;
      holders.delete(key);
      if (holders.size === 0) this.#holders.delete(number);
    }
  }
}

const having = (slot: NodeSlot, port: number): NodeSlot => ({ ...slot, spec: { ...slot.spec, port } });
const numbersOf = ({ spec }: NodeSlot): number[] => Object.values(portsOf(spec) ?? {});
