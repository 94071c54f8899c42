/** Asks directories for their consensus, seldom enough: one answer serves a zone and its superpeers. */
import { Agent, request } from 'undici';
import type { DirectoryAddress } from '../objects/config.ts';
import { type Consensus, readConsensus } from '../plan/consensus.ts';

export type AskDirectory = (url: string) => Promise<unknown>;

const answerMsMax = 2_000;
/** A consensus of 128 nodes is about 30 kB, and a view holds one for each of up to 65 zones. */
const answerBytesMax = 4 << 20;
/** A little less than between two looks of a zone, so that its superpeers find an answer there. */
const freshMs = 29_000;
/** While something is not registered yet its owner looks every two seconds and wants to see it soon. */
const freshUnregisteredMs = 900;

export function directoryOverHttp(): AskDirectory {
  const dispatcher = new Agent({ maxResponseSize: answerBytesMax, connections: 4 });
  return async (url) => {
    const { statusCode, body } = await request(url, { dispatcher, signal: AbortSignal.timeout(answerMsMax) });
    if (statusCode === 200) return body.json();
    await body.dump();
    throw new Error(`the directory answers ${statusCode}`);
  };
}

interface Asked {
  readonly atMs: number;
  readonly address: string;
  readonly answer: Promise<Consensus>;
}

export class ConsensusReader {
  readonly #ask: AskDirectory;
  /** Zone key → last answer. BOUNDED: by living zones; forget() drops one. */
  readonly #asked = new Map<string, Asked>();

  constructor(ask: AskDirectory) {
    this.#ask = ask;
  }

  /** @param ids nodes that should be registered: while one is not, older answers are not good enough */
  async read(
    zoneKey: string,
    zone: string,
    directory: DirectoryAddress | undefined,
    ids: readonly string[],
  ): Promise<Consensus> {
    if (!directory) return { kind: 'unasked' };
    const address = `${directory.url} ${directory.rootKey}`;
    const known = this.#asked.get(zoneKey);
    if (known?.address === address) {
      const ageMs = performance.now() - known.atMs;
      if (ageMs < freshUnregisteredMs) return known.answer;
      const answer = await known.answer;
      const complete = answer.kind === 'verified' && ids.every((id) => answer.registered.has(id));
      if (complete && ageMs < freshMs) return answer;
    }
    const answer = this.#fetch(zone, directory);
    this.#asked.set(zoneKey, { atMs: performance.now(), address, answer });
    return answer;
  }

  forget(zoneKey: string): void {
    this.#asked.delete(zoneKey);
  }

  async #fetch(zone: string, { url, rootKey }: DirectoryAddress): Promise<Consensus> {
    try {
      const answer = await this.#ask(`${url}/v1/zones/${encodeURIComponent(zone)}/view`);
      return readConsensus(answer, zone, rootKey, Date.now());
    } catch (error) {
      const answered = error instanceof Error && error.message.startsWith('the directory answers ');
      return { kind: 'unreachable', problem: answered ? error.message : `no answer from ${url}` };
    }
  }
}
