import type { NodeRole } from './consensus.ts';

/**
 * A directory's word on every node of a zone's roster, signed as `herd-nodes-v1` under a certified key: what the
 * operator goes by when it drains a node, ends it, and lets a superpeer in again.
 *
 * It holds nothing of clients or calls but whether there are any on a node that drains.
 */
export interface NodeReport {
  readonly id: string;
  readonly role: NodeRole;
  /** Of the process that has registered last; null before the first. */
  readonly boot: number | null;
  /** Whether it renews its descriptor. */
  readonly registered: boolean;
  /** As in the consensus. */
  readonly draining: boolean;
  /** Whether this process answered where it says it is; null before it has been looked for. */
  readonly answered: boolean | null;
  /** Only of a node that drains and knows it. */
  readonly empty?: boolean;
  /** Why a mix has it left out of the consensus, as in mix/audit.ts. */
  readonly expelled: string | null;
}

export interface NodesText {
  readonly zone: string;
  /** Milliseconds since 1970: an old report that is played again can be told. */
  readonly issuedAt: number;
  readonly nodes: readonly NodeReport[];
}
