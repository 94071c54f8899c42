/** What every verb works with. */
import type { Answer, KubeClient } from '../operator/kube/client.ts';
import { Failure } from './failures.ts';

export interface Terminal {
  out(text: string): void;
  err(text: string): void;
  /** undefined: nobody is there who could answer. */
  readonly ask: ((question: string) => Promise<string>) | undefined;
  readFile(name: string): Promise<string>;
  writeFile(name: string, text: string): Promise<void>;
}

export interface Session {
  readonly client: KubeClient;
  /** Of what pods and Services answer through the API server's proxy, by the path there; the tests play them. */
  readonly viaProxy: (path: string) => Promise<Answer>;
  readonly terminal: Terminal;
  /** undefined: all. */
  readonly namespace: string | undefined;
  now(): number;
  sleep(ms: number): Promise<void>;
}

/** Shows what would be done and asks for leave. @throws Failure when it isn't given */
export async function agree({ terminal }: Session, plan: readonly string[], yes: boolean): Promise<void> {
  terminal.out(plan.map((line) => `${line}\n`).join(''));
  if (yes) return;
  if (!terminal.ask) throw new Failure('usage', '--yes: missing, and there is no terminal to ask at');
  const answer = await terminal.ask('Do it? [y/N] ');
  if (!/^y(es)?$/i.test(answer.trim())) throw new Failure('wrong', 'not done');
}

/** Of verbs that know no --all-namespaces. */
export const ownNamespace = ({ namespace }: Session): string => namespace!;
