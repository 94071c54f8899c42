import { setTimeout as sleep } from 'node:timers/promises';
import { type View, verifyView } from '../config/consensus.ts';
import type { SignedText } from '../crypto/signed.ts';

/** A daemon's side of the directory's HTTP: download the whole view, hand in the own descriptor. */
const TIMEOUT_MS = 5_000;

export interface VerifiedView {
  /** As it came, for the plane, which verifies it again in its own thread. */
  readonly json: unknown;
  readonly text: string;
  readonly view: View;
  /** Milliseconds since 1970. */
  readonly verifiedMs: number;
}

/** Downloads and verifies the view; throws one sentence if it cannot be had. */
export async function fetchView(url: string, zone: string, rootKey: Buffer): Promise<VerifiedView> {
  const response = await fetch(`${url}/v1/zones/${zone}/view`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  const text = await response.text();
  if (!response.ok) throw new Error(`the directory answered ${response.status}`);
  const json: unknown = JSON.parse(text);
  const verifiedMs = Date.now();
  const view = verifyView(json, rootKey, zone, verifiedMs);
  if ('refused' in view) throw new Error(view.refused);
  return { json, text, view, verifiedMs };
}

/** Hands in a descriptor or a verdict; the directory's word for it ("accepted", "not-in-roster", …). */
export async function publish(
  url: string,
  zone: string,
  what: 'nodes' | 'verdicts',
  signed: SignedText,
): Promise<string> {
  const response = await fetch(`${url}/v1/zones/${zone}/${what}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(signed),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const { result } = (await response.json()) as { result?: string };
  return result ?? `status ${response.status}`;
}

/** Repeats `step` until `signal`; its result is the pause before the next, in milliseconds. An error is told and retried. */
export async function repeat(
  signal: AbortSignal,
  onError: (error: Error) => void,
  retryMs: number,
  step: () => Promise<number>,
): Promise<void> {
  while (!signal.aborted) {
    let pauseMs = retryMs;
    try {
      pauseMs = await step();
    } catch (error) {
      onError(error as Error);
    }
    await sleep(pauseMs, undefined, { signal }).catch(() => {});
  }
}
