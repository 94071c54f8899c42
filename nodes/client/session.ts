import { MILLISECOND_US, type Micros } from '../core/units.ts';
import type { Client } from './client.ts';
import { MULAW_SILENCE } from './g711.ts';
import { Recording, type RecordingReport } from './recording.ts';
import type { CallEnd } from './signalling.ts';

/**
 * What a client does with its calls for want of a telephone: plays its voicemail to who calls, and records the voicemail
 * of whom it calls, as the volunteers of the paper's section 4.3 did.
 */
export type SessionCommand =
  | { kind: 'voicemail'; voice: Uint8Array }
  | { kind: 'call'; contact: string; seconds: number };

export type SessionEvent =
  | { kind: 'state'; attached: boolean; call: Client['callState'] }
  | { kind: 'recorded'; setupMs: number; voice: Uint8Array; report: RecordingReport }
  | { kind: 'failed'; reason: string };

const REASONS: Record<CallEnd, string> = {
  'hung-up': 'the call was hung up',
  'peer-hung-up': 'the callee hung up',
  'no-channel': 'no channel was free',
  'not-answered': 'the callee did not answer',
  declined: 'the call was declined',
  cancelled: 'the caller gave up',
  lost: 'the call was lost',
};

export class Session {
  readonly #client: Client;
  readonly #voiceBytes: number;
  readonly #tell: (event: SessionEvent) => void;
  #voicemail: Uint8Array = new Uint8Array(0);
  #played = 0;
  #placed: { at: Micros; setupMs: number | undefined; recording: Recording } | undefined;
  #told = '';

  constructor(client: Client, voiceBytes: number, tell: (event: SessionEvent) => void) {
    this.#client = client;
    this.#voiceBytes = voiceBytes;
    this.#tell = tell;
    client.voice = {
      next: (into) => this.#next(into),
      heard: (now, counter, frame, timing) => this.#placed?.recording.heard(now, counter, frame, timing),
    };
  }

  command(now: Micros, command: SessionCommand): void {
    if (command.kind === 'voicemail') {
      this.#voicemail = command.voice;
      return;
    }
    const refused = this.#client.place(now, command.contact);
    if (refused) return this.#tell({ kind: 'failed', reason: refused.refused });
    this.#placed = { at: now, setupMs: undefined, recording: new Recording(this.#voiceBytes, command.seconds) };
  }

  /** After every tick: what has happened, and whether the recording is whole. */
  tick(now: Micros): void {
    for (let event = this.#client.poll(); event; event = this.#client.poll()) {
      // A voicemail takes every call.
      if (event.kind === 'ringing') this.#client.answer(now);
      else if (event.kind === 'call-up' && event.incoming) this.#played = 0;
      else if (event.kind === 'call-up' && this.#placed)
        this.#placed.setupMs = (now - this.#placed.at) / MILLISECOND_US;
      else if (event.kind === 'call-ended' && this.#placed) {
        this.#placed = undefined;
        this.#tell({ kind: 'failed', reason: REASONS[event.reason] });
      }
    }
    const placed = this.#placed;
    if (placed?.setupMs !== undefined && placed.recording.complete(now)) {
      this.#placed = undefined;
      this.#client.hangUp();
      const { setupMs, recording } = placed;
      this.#tell({ kind: 'recorded', setupMs, voice: recording.voice(), report: recording.report() });
    }
    const state = `${this.#client.attached} ${this.#client.callState}`;
    if (state !== this.#told)
      this.#tell({ kind: 'state', attached: this.#client.attached, call: this.#client.callState });
    this.#told = state;
  }

  #next(into: Buffer): void {
    const frame = this.#placed ? undefined : this.#voicemail.subarray(this.#played, this.#played + this.#voiceBytes);
    into.fill(MULAW_SILENCE);
    if (frame) into.set(frame);
    this.#played += this.#voiceBytes;
  }
}
