/** Remembers which object a key stood for, so that what was kept of it goes when it does. */
import type { CustomResource } from '../kube/types.ts';

export class Owners {
  /** Key → uid. BOUNDED: by living objects. */
  readonly #uids = new Map<string, string>();
  readonly #forget: (uid: string, key: string) => void;

  constructor(forget: (uid: string, key: string) => void) {
    this.#forget = forget;
  }

  /** The object is what the key stands for now. */
  see(key: string, object: CustomResource | undefined): void {
    const before = this.#uids.get(key);
    const now = object?.metadata.uid;
    if (before !== undefined && before !== now) this.#forget(before, key);
    if (now === undefined) this.#uids.delete(key);
    else this.#uids.set(key, now);
  }
}
