/**
 * Why a datagram or a cell was thrown away. The reason is the return value, the metric label and what tests assert on;
 * nothing here says whose packet it was.
 */
export const DROP_REASONS = [
  'truncated', // shorter or longer than its kind ever is
  'unknown_kind', // first byte, or the kind inside the link layer, names nothing this role takes
  'unknown_session', // link index that no session has
  'replayed', // counter seen before or too old
  'bad_tag', // AEAD did not open
  'bad_handshake', // handshake did not verify, or its key is not in the consensus
  'handshake_limit', // more handshakes in a tick than are taken
  'cookie_missing', // handshake without a valid cookie while there are many: answered with one, forgotten
  'cookie_stray', // cookie that no handshake of ours waits for, or has had
  'table_full', // a bounded table has no room
  'outbox_full', // more datagrams in a tick than the ring holds
  'inbox_full', // more arrivals in a tick than the ring holds
  'queue_full', // oldest of a bounded queue made room for the newest
  'queue_standing', // a queue that was long for a whole second gave up its oldest, to be on time again
  'unknown_circuit', // circuit id that the link does not carry
  'unknown_cookie', // SETUP for a callee that is not registered here
  'foreign_mix', // CREATE from a mix of another zone
  'channel_busy', // a cell for a client that no channel is free for
  'callee_busy', // SETUP for a callee that is in a call
  'unknown_call', // a relay cell in a call that is not, or no longer
  'mesh_full', // SETUP refused: the mesh link carries as many calls as its rate allows
  'coding_collision', // what is left after cancelling is neither silence nor the speaker's cell
  'bad_manifest', // a round names a slot that is not attached, or a sequence number it cannot have
  'not_attached', // traffic for a channel or slot that nobody holds
  'unknown_round', // AUDIT for a round that is no longer kept, AUDITED for one that is not audited
  'refused', // ATTACH of a client that an audit has sent away
  'expelled', // ATTACH over a superpeer that was expelled
] as const;

export type DropReason = (typeof DROP_REASONS)[number];

/** What nothing but calls can cause: counted for tests and never told, since it would say how many there are. */
export const DROPS_OF_CALLS: ReadonlySet<DropReason> = new Set([
  'unknown_cookie',
  'channel_busy',
  'callee_busy',
  'unknown_call',
  'mesh_full',
]);

const INDEX = new Map<DropReason, number>(DROP_REASONS.map((reason, index) => [reason, index]));

/** Counts drops by reason. The array may be shared memory, so that another thread can read it while this one counts. */
export class DropCounters {
  readonly counts: Float64Array;

  constructor(counts: Float64Array = new Float64Array(DROP_REASONS.length)) {
    this.counts = counts;
  }

  add(reason: DropReason): void {
    this.counts[INDEX.get(reason)!]! += 1;
  }

  get(reason: DropReason): number {
    return this.counts[INDEX.get(reason)!]!;
  }

  total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }
}
