/**
 * The experiment of the paper's Figure 7: between every two zones, one way at a time, a client calls, the callee plays
 * its recording, the caller records what it hears. No call is tried again: one that fails is a row that says why.
 */
import { compareRecordings } from '../../evaluation/quality/compare.ts';
import { readWav, SAMPLE_RATE_HZ } from '../../nodes/client/wav.ts';
import {
  type CallReport,
  type ClientPod,
  clientStatus,
  type DirectDelay,
  type Kubectl,
  placeCall,
  probeDirect,
  setVoicemail,
} from './client.ts';
import { type CallRow, type FailedCall, measuredCall } from './row.ts';
import { type Pair, rounds } from './schedule.ts';

/** The recording, played from the callee's answer, ends this much before the caller hangs up: delay, playout, a breath. */
const LISTEN_ON_SECONDS = 2;

export interface Calls {
  readonly kubectl: Kubectl;
  /** One client a zone. */
  readonly clients: readonly ClientPod[];
  /** What each zone's client plays to its callers, WAV. */
  readonly recordings: ReadonlyMap<string, Buffer>;
  /** Told of every row as its round ends. */
  readonly onRow: (row: CallRow) => void;
}

/** A row for each ordered pair of clients, by caller and callee in the order of `clients`. */
export async function placeCalls({ kubectl, clients, recordings, onRow }: Calls): Promise<CallRow[]> {
  const zones = clients.map(({ zone }) => zone);
  const schedule = rounds(zones);
  const callees = new Map<string, Callee>();
  await Promise.all(
    clients.map(async (client) =>
      callees.set(client.zone, await prepare(kubectl, client, recordings.get(client.zone)!)),
    ),
  );
  const rows: CallRow[] = [];
  for (const round of schedule) {
    const ended = await Promise.all(
      round.map((pair) => converse(kubectl, pair, callees.get(pair.from)!, callees.get(pair.to)!)),
    );
    // Only now, with nobody on the phone: to compare takes a processor, which a call beside it would feel.
    for (const conversation of ended) {
      const row = judge(conversation);
      rows.push(row);
      onRow(row);
    }
  }
  const place = ({ from, to }: Pair) => zones.indexOf(from) * zones.length + zones.indexOf(to);
  return rows.sort((a, b) => place(a) - place(b));
}

/** A client whose recording is set and whose contact is known, or the reason why it can take no part. */
type Callee =
  | { readonly client: ClientPod; readonly contact: string; readonly recording: Buffer }
  | { readonly client: ClientPod; readonly unready: string };

async function prepare(kubectl: Kubectl, client: ClientPod, recording: Buffer): Promise<Callee> {
  try {
    const { attached, contact } = await clientStatus(kubectl, client);
    if (!attached) return { client, unready: 'it is not attached to its zone' };
    await setVoicemail(kubectl, client, recording);
    return { client, contact, recording };
  } catch (error) {
    return { client, unready: message(error) };
  }
}

interface Conversation {
  readonly pair: Pair;
  readonly direct: DirectDelay;
  readonly report: CallReport;
  readonly sent: Buffer;
  readonly heard: Buffer;
}

async function converse(kubectl: Kubectl, pair: Pair, from: Callee, to: Callee): Promise<Conversation | FailedCall> {
  if ('unready' in from) return failed(pair, `the client of ${pair.from} cannot call: ${from.unready}`);
  if ('unready' in to) return failed(pair, `the client of ${pair.to} cannot be called: ${to.unready}`);
  try {
    const direct = await probeDirect(kubectl, from.client, to.client);
    const seconds = Math.ceil(readWav(to.recording).length / SAMPLE_RATE_HZ) + LISTEN_ON_SECONDS;
    const { report, heard } = await placeCall(kubectl, from.client, to.contact, seconds);
    return { pair, direct, report, sent: to.recording, heard };
  } catch (error) {
    return failed(pair, message(error));
  }
}

function judge(ended: Conversation | FailedCall): CallRow {
  if ('outcome' in ended) return ended;
  const { pair, direct, report, sent, heard } = ended;
  try {
    return measuredCall(pair, report, direct, compareRecordings(readWav(sent), readWav(heard)));
  } catch (error) {
    return failed(pair, message(error));
  }
}

function failed(pair: Pair, reason: string): FailedCall {
  return { ...pair, outcome: 'failed', reason };
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
