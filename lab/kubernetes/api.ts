import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import type { Certificate } from './pki.ts';

/** The few questions that start-up asks the API server: in this process, since starting kubectl for each costs 0.1 s. */
export class Api {
  readonly #server: string;
  readonly #agent: Agent;

  private constructor(server: string, agent: Agent) {
    this.#server = server;
    this.#agent = agent;
  }

  static async open(server: string, authority: string, client: Certificate): Promise<Api> {
    const [ca, cert, key] = await Promise.all(
      [authority, client.certificate, client.key].map((file) => readFile(file)),
    );
    return new Api(server, new Agent({ ca: ca!, cert: cert!, key: key!, keepAlive: true }));
  }

  /** Returns the body of a 200 answer; throws on any other answer, and after 5 s without one. */
  get(path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const asked = request(this.#server + path, { agent: this.#agent, timeout: 5000 }, (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          body += chunk;
        });
        response.on('end', () => {
          if (response.statusCode === 200) resolve(body);
          else reject(new Error(`${path}: ${response.statusCode} ${body.slice(0, 500)}`));
        });
        response.on('error', reject);
      });
      asked.on('timeout', () => asked.destroy(new Error(`${path}: no answer in 5 s`)));
      asked.on('error', reject);
      asked.end();
    });
  }

  /** Names of the nodes that are Ready. */
  async readyNodes(): Promise<string[]> {
    const list = JSON.parse(await this.get('/api/v1/nodes')) as {
      items: { metadata: { name: string }; status: { conditions?: { type: string; status: string }[] } }[];
    };
    const isReady = (item: (typeof list.items)[number]) =>
      item.status.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True');
    return list.items.filter(isReady).map((item) => item.metadata.name);
  }

  close(): void {
    this.#agent.destroy();
  }
}
