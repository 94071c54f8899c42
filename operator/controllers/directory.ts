/** Asks directories what they say of their zones, seldom enough: one answer serves a zone, its slots and its superpeers. */
import { Agent, request } from 'undici';
import type { CertifiedText } from '../../nodes/crypto/signed.ts';
import { messageOf } from '../kube/errors.ts';
import type { DirectoryAddress } from '../objects/config.ts';
import { type Consensus, readConsensus } from '../plan/consensus.ts';
import { type DirectoryNodes, type ListedNode, readDirectoryNodes } from '../plan/directory-nodes.ts';
import { readReceipts } from '../plan/receipts.ts';
import type { Standing } from './keys.ts';

export type AskDirectory = (url: string) => Promise<unknown>;

const answerMsMax = 2_000;
/** A consensus of 128 nodes with four keys of each kind is about 110 kB, and a view holds one for each of up to 65 zones. */
const answerBytesMax = 8 << 20;
/** Who waits for something looks every two seconds; who does not takes what a zone's own look has brought. */
const freshMs: Record<Standing, number> = { new: 1_500, settled: 29_000, unsettled: 1_500 };

export function directoryOverHttp(): AskDirectory {
  const dispatcher = new Agent({ maxResponseSize: answerBytesMax, connections: 4 });
  return async (url) => {
    const { statusCode, body } = await request(url, { dispatcher, signal: AbortSignal.timeout(answerMsMax) });
    if (statusCode === 200) return body.json();
    await body.dump();
    throw new Error(`the directory answers ${statusCode}`);
  };
}

export interface DirectorySays {
  readonly consensus: Consensus;
  /** undefined: nothing can be had of it. */
  readonly nodes: DirectoryNodes | undefined;
}

interface Asked {
  readonly atMs: number;
  readonly address: string;
  readonly answer: Promise<DirectorySays>;
}

export class DirectoryReader {
  readonly #ask: AskDirectory;
  /** Zone key → last answer. BOUNDED: by living zones; forget() drops one. */
  readonly #asked = new Map<string, Asked>();

  constructor(ask: AskDirectory) {
    this.#ask = ask;
  }

  async read(
    zoneKey: string,
    zone: string,
    directory: DirectoryAddress | undefined,
    standing: Standing,
  ): Promise<DirectorySays> {
    if (!directory) return { consensus: { kind: 'unasked' }, nodes: undefined };
    const address = `${directory.url} ${directory.rootKey}`;
    const known = this.#asked.get(zoneKey);
    if (known?.address === address && performance.now() - known.atMs < freshMs[standing]) return known.answer;
    const answer = this.#fetch(zone, directory);
    this.#asked.set(zoneKey, { atMs: performance.now(), address, answer });
    return answer;
  }

  /** A superpeer's receipts, not verified; none of a directory that does not answer. */
  receipts({ url }: DirectoryAddress, zone: string, superpeer: string): Promise<readonly CertifiedText[]> {
    const path = [zone, 'receipts', superpeer].map(encodeURIComponent).join('/');
    return this.#ask(`${url}/v1/zones/${path}`).then(readReceipts, () => []);
  }

  forget(zoneKey: string): void {
    this.#asked.delete(zoneKey);
  }

  async #fetch(zone: string, { url, rootKey }: DirectoryAddress): Promise<DirectorySays> {
    const of = `${url}/v1/zones/${encodeURIComponent(zone)}`;
    let answers: [unknown, unknown];
    try {
      answers = await Promise.all([this.#ask(`${of}/view`), this.#ask(`${of}/nodes`)]);
    } catch (error) {
      // Worded without times or counts, so that a status that shows it stays the same.
      const answered = error instanceof Error && error.message.startsWith('the directory answers ');
      return silent(answered ? messageOf(error) : `no answer from ${url}`);
    }
    const [view, report] = answers;
    const nodes = readDirectoryNodes(report, zone, rootKey, Date.now());
    if ('refused' in nodes) return silent(nodes.refused);
    return { consensus: readConsensus(view, zone, rootKey, Date.now()), nodes };
  }
}

const silent = (problem: string): DirectorySays => ({ consensus: { kind: 'unreachable', problem }, nodes: undefined });

/** What a directory says of one node. */
export const listedIn = (nodes: DirectoryNodes | undefined, id: string): ListedNode | 'absent' | undefined =>
  nodes && (nodes.get(id) ?? 'absent');
