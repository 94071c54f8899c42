import { randomBytes } from 'node:crypto';
import { type ConsensusNode, nodeTag, type View } from '../config/consensus.ts';
import { type Descriptor, signDescriptor, type ZoneDemand } from '../config/descriptor.ts';
import type { RelayConfig } from '../config/node.ts';
import type { RoundsReport } from '../config/receipt.ts';
import type { Identity, NodeKeys, NumberedPair } from '../crypto/keys.ts';
import { publish, repeat } from './directory-client.ts';
import { log } from './log.ts';

/**
 * A process' registration with its directory: its descriptor, from when it knows its address, renewed every few seconds, and
 * at once when what it says of draining or of its address has changed.
 *
 * Whether anything rides on a node is said only while it drains: of any other node it would tell how many are on it.
 */
/** The directory forgets who has missed six of these. */
const RENEW_INTERVAL_MS = 10_000;
const RETRY_MS = 1_000;
/** How long news of draining may wait. */
const LOOK_INTERVAL_MS = 250;

type Draining = Pick<Descriptor, 'draining' | 'empty'>;

export class Registration {
  /** The node's name. */
  readonly tag: string;
  /** What the plane has counted last. */
  demand: readonly ZoneDemand[] | undefined;
  rounds: readonly RoundsReport[] | undefined;
  /** What its files hold. */
  keys: NodeKeys;
  readonly #config: RelayConfig;
  readonly #address: () => string | undefined;
  readonly #identity: Identity;
  readonly #isEmpty: () => boolean;
  readonly #boot = randomBytes(4).readUInt32BE();
  #isEnding = false;

  constructor(
    config: RelayConfig,
    address: () => string | undefined,
    identity: Identity,
    keys: NodeKeys,
    isEmpty: () => boolean,
  ) {
    this.#config = config;
    this.#address = address;
    this.#identity = identity;
    this.keys = keys;
    this.#isEmpty = isEmpty;
    this.tag = nodeTag(config.zone, identity.publicKey);
  }

  /** This process as the consensus has it. */
  listedIn(view: View): ConsensusNode | undefined {
    return view.own.nodes.find(({ tag, boot }) => tag === this.tag && boot === this.#boot);
  }

  /** The process is to end. */
  drain(): void {
    this.#isEnding = true;
  }

  /** Keeps the directory informed until the signal. */
  async renew(signal: AbortSignal, newest: () => View | undefined): Promise<void> {
    const { directory, zone, listen } = this.#config;
    let result = '';
    let said = '';
    let renewAtMs = 0;
    await repeat(
      signal,
      (error) => log('warn', 'not registered with the directory', { reason: error.message }),
      RETRY_MS,
      async () => {
        const address = this.#address();
        if (address === undefined) {
          if (result !== 'no-address') log('info', 'waiting for the address that others reach this node at');
          result = 'no-address';
          return LOOK_INTERVAL_MS;
        }
        const endpoint = `${address}:${listen.port}`;
        const draining = this.#draining(newest());
        const word = JSON.stringify([endpoint, draining]);
        if (word === said && Date.now() < renewAtMs) return LOOK_INTERVAL_MS;
        const answer = await publish(
          directory.url,
          zone,
          'nodes',
          signDescriptor(this.#identity, this.#says(endpoint, draining)),
        );
        if (answer !== result) log(answer === 'accepted' ? 'info' : 'warn', 'registration', { result: answer });
        result = answer;
        if (answer !== 'accepted') return RETRY_MS;
        said = word;
        renewAtMs = Date.now() + RENEW_INTERVAL_MS;
        return LOOK_INTERVAL_MS;
      },
    );
  }

  #says(endpoint: string, draining: Draining): Descriptor {
    const { demand, rounds } = this;
    return {
      zone: this.#config.zone,
      id: this.#config.id,
      endpoint,
      linkKeys: published(this.keys.link),
      circuitKeys: published(this.keys.circuit),
      boot: this.#boot,
      issuedAt: Date.now(),
      ...(demand && { demand: [...demand] }),
      ...(rounds && { rounds: [...rounds] }),
      ...draining,
    };
  }

  #draining(view: View | undefined): Draining {
    const listed = view && this.listedIn(view)?.draining === true;
    if (!this.#isEnding && !listed) return {};
    return { ...(this.#isEnding && { draining: true }), empty: this.#isEmpty() };
  }
}

const published = (keys: readonly NumberedPair[]) =>
  keys.map(({ number, pair }) => ({ number, key: pair.publicKey.toString('base64') }));
