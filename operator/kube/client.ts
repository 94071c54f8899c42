/**
 * REST to one cluster over one kept-alive connection pool (the client library would open a new TLS connection per request).
 * Upholds: a request that the server surely did not run (429, 401) or that may be repeated without harm is sent again,
 * after full jitter or with the credential read anew; every other failure is thrown typed. With `writeMsLeft` no mutating
 * request is sent, for the first time or again, without leave at that moment; none is waited for longer than the leave
 * lasts, here or in the server, and an answer that comes later all the same is not believed. README.md, "Two leaders",
 * says what is left.
 */
import { Agent, type Dispatcher } from 'undici';
import { fullJitter, type Random, sleep } from './backoff.ts';
import type { Cluster } from './cluster.ts';
import { ApiError, apiError, isNotFound } from './errors.ts';
import type { KubeObject, Manifest, Resource } from './types.ts';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'apply' | 'patch' | 'delete';

export interface ClientOptions {
  /** Milliseconds for which a write that is sent now may be under way; undefined: none may be sent, as after the lease was lost. */
  readonly writeMsLeft?: () => number | undefined;
  /** Of what was asked: the kind's plural, with the part of it that is a resource of its own, as 'zones/status'; '' for a path. */
  readonly onRequest?: (verb: Verb, resource: string, code: number, seconds: number) => void;
  readonly random?: Random;
  /** How long an answer may take from the first byte sent to the last one received; the default suits a cluster that is near. */
  readonly requestMsMax?: number;
  /** How often a request is sent that may be repeated; the default suits a cluster that is sure to come back. */
  readonly attemptsMax?: number;
  /** Who asks; also the field manager of what is patched and created. */
  readonly userAgent?: string;
}

/** What a path answers, as it came. */
export interface Answer {
  readonly text: string;
  /** When whoever answered says that he did, in milliseconds since 1970; NaN if he doesn't. */
  readonly dateMs: number;
}

export interface Scope {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
}

export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

export interface WatchFrom {
  /** undefined: first all that is there, to its end (`endsInitial`), then what changes. */
  readonly resourceVersion: string | undefined;
  readonly timeoutSeconds: number;
  /** Aborts when no byte came for so long: a half-open connection says nothing, forever. */
  readonly silenceMsMax: number;
  readonly signal: AbortSignal;
}

/** Of a field that another manager owns with another value: take it, or be refused with 409. */
export type Conflicts = 'win' | 'yield';

interface Request {
  readonly verb: Verb;
  readonly resource: string;
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly body?: object;
  readonly contentType?: string;
  readonly accept?: string;
}

/** A page of a list; also what kubectl and client-go ask for. */
const pageSize = 500;
const requestMsMax = 10_000;
/** As much as a directory's largest answer (controllers/directory.ts). */
const readBytesMax = 8 << 20;
const attemptsMax = 5;
/** A Retry-After longer than this is not waited for in place: the work queue does that better. */
const retryAfterMsMax = 10_000;
const json = 'application/json';
const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const repeatable: ReadonlySet<Verb> = new Set(['get', 'list', 'apply', 'patch', 'delete']);

/** The bookmark that ends the first part of a watch from no resource version. */
export const endsInitial = ({ type, object }: WatchEvent<KubeObject>): boolean =>
  type === 'BOOKMARK' && object.metadata.annotations?.['k8s.io/initial-events-end'] === 'true';

export class KubeClient {
  readonly #cluster: Cluster;
  readonly #agent: Agent;
  readonly #options: ClientOptions;
  readonly #requestMsMax: number;
  readonly #userAgent: string;
  readonly #origin: string;
  /** Where some gateways have their clusters: https://host/clusters/a. */
  readonly #prefix: string;

  constructor(cluster: Cluster, options: ClientOptions = {}) {
    this.#cluster = cluster;
    this.#options = options;
    this.#requestMsMax = options.requestMsMax ?? requestMsMax;
    this.#userAgent = options.userAgent ?? 'herd-operator';
    const { origin, pathname } = new URL(cluster.server);
    this.#origin = origin;
    this.#prefix = pathname.replace(/\/+$/, '');
    // HTTP/1.1: over HTTP/2 all watches and requests would share one connection, and its stall.
    this.#agent = new Agent({
      allowH2: false,
      connect: { ...cluster.tls },
      connections: 64,
      keepAliveTimeout: 30_000,
      pipelining: 1,
    });
  }

  async get<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    name: string,
  ): Promise<T | undefined> {
    return this.#find<T>({
      verb: 'get',
      resource: resource.plural,
      method: 'GET',
      path: pathOf(resource, namespace, name),
    });
  }

  /** Metadata alone: how the operator looks at a Secret without reading it. */
  async getMetadata(resource: Resource<KubeObject>, namespace: string, name: string): Promise<KubeObject | undefined> {
    const path = pathOf(resource, namespace, name);
    return this.#find({ verb: 'get', resource: resource.plural, method: 'GET', path, accept: metadataOnly });
  }

  /** All pages. @throws ApiError 410 when the list outlived its snapshot */
  async list<T extends KubeObject>(
    resource: Resource<T>,
    scope: Scope = {},
  ): Promise<{ items: T[]; resourceVersion: string }> {
    const items: T[] = [];
    let next: string | undefined;
    for (;;) {
      const query = { limit: String(pageSize), labelSelector: scope.labelSelector, continue: next };
      const path = pathOf(resource, scope.namespace, undefined, query);
      const page = await this.#json<{ metadata: { resourceVersion: string; continue?: string }; items?: T[] }>({
        verb: 'list',
        resource: resource.plural,
        method: 'GET',
        path,
      });
      for (const item of page.items ?? []) items.push(item);
      next = page.metadata.continue;
      if (!next) return { items, resourceVersion: page.metadata.resourceVersion };
    }
  }

  /**
   * One watch request, until the server closes it.
   * @throws ApiError as HTTP status or as ERROR event (410: list again; 400, 422: no watch without a version); any network error
   */
  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    scope: Scope,
    from: WatchFrom,
  ): AsyncGenerator<WatchEvent<T>> {
    const initial = { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' };
    const path = pathOf(resource, scope.namespace, undefined, {
      watch: 'true',
      allowWatchBookmarks: 'true',
      ...(from.resourceVersion === undefined ? initial : { resourceVersion: from.resourceVersion }),
      timeoutSeconds: String(from.timeoutSeconds),
      labelSelector: scope.labelSelector,
    });
    const silence = new AbortController();
    const timer = setTimeout(
      () => silence.abort(new Error(`watch silent for ${from.silenceMsMax} ms`)),
      from.silenceMsMax,
    );
    try {
      const signal = AbortSignal.any([from.signal, silence.signal]);
      const request: Request = { verb: 'watch', resource: resource.plural, method: 'GET', path };
      const { response } = await this.#send(request, signal);
      let rest = '';
      const decoder = new TextDecoder();
      for await (const chunk of response.body) {
        timer.refresh();
        const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
        rest = lines.pop()!;
        for (const line of lines) {
          const event = JSON.parse(line) as WatchEvent<T> | { type: 'ERROR'; object: unknown };
          if (event.type === 'ERROR') throw apiError(500, event.object);
          yield event;
        }
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Server-side apply. With metadata.uid in the manifest it fails with 409 if the object was replaced by another of its
   * name, or is gone: without, it would be made.
   * @param conflicts win for what is ours, yield for a few fields of an object that is someone else's, such as a pod's annotation
   */
  async apply<T extends KubeObject>(
    resource: Resource<T>,
    manifest: Manifest,
    fieldManager: string,
    conflicts: Conflicts = 'win',
  ): Promise<T> {
    return this.#apply(resource, manifest, fieldManager, conflicts, undefined);
  }

  /** What applying would make of the object, with defaults, refused as it would be; nothing is done. */
  async dryRun<T extends KubeObject>(resource: Resource<T>, manifest: Manifest, fieldManager: string): Promise<T> {
    return this.#apply(resource, manifest, fieldManager, 'win', undefined, { dryRun: 'All' });
  }

  /** As apply, of the status alone. Ownership in a status is recorded apart, so the same manager's name holds other fields there. */
  async applyStatus<T extends KubeObject>(
    resource: Resource<T>,
    manifest: Manifest,
    fieldManager: string,
    conflicts: Conflicts = 'win',
  ): Promise<T> {
    return this.#apply(resource, manifest, fieldManager, conflicts, 'status');
  }

  /** JSON merge patch, for values that are absolute: sent twice it does what it does once. */
  async patch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    changes: object,
  ): Promise<T> {
    const path = pathOf(resource, namespace, name);
    const contentType = 'application/merge-patch+json';
    return this.#json({ verb: 'patch', resource: resource.plural, method: 'PATCH', path, body: changes, contentType });
  }

  /** @throws ApiError 409 when it exists */
  async create<T extends KubeObject>(resource: Resource<T>, manifest: Manifest): Promise<T> {
    const path = pathOf(resource, manifest.metadata.namespace);
    return this.#json({
      verb: 'create',
      resource: resource.plural,
      method: 'POST',
      path,
      body: manifest,
      contentType: json,
    });
  }

  /** @throws ApiError 409 when the resource version in the object is not the newest */
  async update<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    const path = pathOf(resource, object.metadata.namespace, object.metadata.name);
    return this.#json({
      verb: 'update',
      resource: resource.plural,
      method: 'PUT',
      path,
      body: object,
      contentType: json,
    });
  }

  /** Absent is as good as deleted. A given uid protects a new object of the same name. */
  async delete<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    uid?: string,
  ): Promise<void> {
    const body = { propagationPolicy: 'Background', ...(uid ? { preconditions: { uid } } : {}) };
    const path = pathOf(resource, namespace, name);
    await this.#find({ verb: 'delete', resource: resource.plural, method: 'DELETE', path, body, contentType: json });
  }

  /** What is no object, such as a pod's log, or what a pod says to whom the server's proxy sends. Asked once. */
  async read(path: string): Promise<Answer> {
    const giveUp = AbortSignal.timeout(this.#requestMsMax);
    const { response } = await this.#send({ verb: 'get', resource: '', method: 'GET', path, accept: '*/*' }, giveUp);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response.body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > readBytesMax) throw new Error(`the answer is longer than ${readBytesMax} bytes`);
      chunks.push(chunk);
    }
    return { text: Buffer.concat(chunks).toString('utf8'), dateMs: Date.parse(String(response.headers.date)) };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #apply<T extends KubeObject>(
    resource: Resource<T>,
    manifest: Manifest,
    fieldManager: string,
    conflicts: Conflicts,
    subresource: string | undefined,
    more: Record<string, string> = {},
  ) {
    const query = { fieldManager, force: String(conflicts === 'win'), ...more };
    const path = pathOf(resource, manifest.metadata.namespace, manifest.metadata.name, query, subresource);
    const contentType = 'application/apply-patch+yaml';
    const asked = subresource ? `${resource.plural}/${subresource}` : resource.plural;
    return this.#json<T>({ verb: 'apply', resource: asked, method: 'PATCH', path, body: manifest, contentType });
  }

  async #find<T>(request: Request): Promise<T | undefined> {
    try {
      return await this.#json<T>(request);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  async #json<T>(request: Request): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const giveUp = new AbortController();
      const timer = setTimeout(() => giveUp.abort(new TooSlow(this.#requestMsMax)), this.#requestMsMax);
      try {
        const { response, believedUntilMs } = await this.#send(request, giveUp.signal);
        const body = (await response.body.json()) as T;
        // A process that was stopped sees the answer before the timer that would have given it up.
        if (performance.now() < believedUntilMs) return body;
        throw new NoLeave('the leave to write ended before the answer came: whether it was done is not known');
      } catch (error) {
        const waitMs =
          attempt < (this.#options.attemptsMax ?? attemptsMax)
            ? this.#retryAfterMs(request, error, attempt)
            : undefined;
        if (waitMs === undefined) throw error;
        await sleep(waitMs);
      } finally {
        clearTimeout(timer);
      }
    }
  }

  #retryAfterMs(request: Request, error: unknown, attempt: number): number | undefined {
    if (error instanceof NoLeave) return undefined;
    const code = error instanceof ApiError ? error.code : 0;
    // To an eviction 429 is an answer.
    if (code !== 429 && !repeatable.has(request.verb)) return undefined;
    if (code > 0 && code !== 429 && code < 500) return undefined;
    const jitterMs = fullJitter(attempt, 100, 5_000, this.#options.random ?? Math.random, 20);
    const askedMs = error instanceof ApiError ? error.retryAfterMs : 0;
    return askedMs > retryAfterMsMax ? undefined : askedMs + jitterMs;
  }

  /** A credential that the server refuses may have been renewed since it was read: once per request it is read again. */
  async #send(request: Request, signal: AbortSignal): Promise<Sent> {
    const sent = await this.#sendOnce(request, await this.#cluster.headers(false), signal);
    if (sent.response.statusCode !== 401) return accepted(sent);
    await sent.response.body.dump();
    return accepted(await this.#sendOnce(request, await this.#cluster.headers(true), signal));
  }

  async #sendOnce(request: Request, credential: Record<string, string>, signal: AbortSignal): Promise<Sent> {
    // Nothing is awaited between the leave and the sending.
    const writeMs = this.#writeMs(request);
    const path = this.#prefix + request.path;
    const started = performance.now();
    let code = 0;
    try {
      const response = await this.#agent.request({
        origin: this.#origin,
        path: writeMs === undefined ? path : withTimeout(path, Math.min(writeMs, this.#requestMsMax)),
        method: request.method,
        headers: {
          accept: request.accept ?? json,
          'user-agent': this.#userAgent,
          ...(request.contentType ? { 'content-type': request.contentType } : {}),
          ...credential,
        },
        body: request.body ? JSON.stringify(request.body) : null,
        signal: within(signal, writeMs ?? this.#requestMsMax, this.#requestMsMax),
        bodyTimeout: 0,
      });
      code = response.statusCode;
      return { response, believedUntilMs: started + (writeMs ?? Number.POSITIVE_INFINITY) };
    } finally {
      this.#options.onRequest?.(request.verb, request.resource, code, (performance.now() - started) / 1000);
    }
  }

  /** undefined: the request needs no leave. */
  #writeMs({ method }: Request): number | undefined {
    const { writeMsLeft } = this.#options;
    if (method === 'GET' || !writeMsLeft) return undefined;
    const ms = writeMsLeft();
    if (ms === undefined) throw new NoLeave('this instance may not write: it does not hold the lease');
    return ms;
  }
}

class NoLeave extends Error {}

class TooSlow extends Error {
  constructor(ms: number) {
    super(`no whole answer within ${ms} ms`);
  }
}

/** The signal gives up after `usualMs` already; a timer more is needed only when there is less time. */
function within(signal: AbortSignal, ms: number, usualMs: number): AbortSignal {
  return ms < usualMs ? AbortSignal.any([signal, AbortSignal.timeout(Math.floor(ms))]) : signal;
}

interface Sent {
  readonly response: Dispatcher.ResponseData;
  readonly believedUntilMs: number;
}

/** @throws ApiError for what is not a success */
async function accepted(sent: Sent): Promise<Sent> {
  const { statusCode, body, headers } = sent.response;
  if (statusCode < 400) return sent;
  const status = parseStatus(await body.text());
  const afterS = Number(headers['retry-after']);
  throw apiError(statusCode, status, afterS > 0 ? afterS * 1000 : 0);
}

/** The server gives up as well: what waits in its queues when the leave ends is not done later. */
function withTimeout(path: string, ms: number): string {
  return `${path}${path.includes('?') ? '&' : '?'}timeout=${Math.max(1, Math.floor(ms))}ms`;
}

/** A proxy in front may answer in HTML: then the text itself is the message. */
function parseStatus(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return { message: body.slice(0, 256).trim() };
  }
}

function pathOf(
  resource: Resource<KubeObject>,
  namespace?: string,
  name?: string,
  query: Record<string, string | undefined> = {},
  subresource?: string,
): string {
  const parts = resource.group === '' ? ['/api', resource.version] : ['/apis', resource.group, resource.version];
  if (namespace) parts.push('namespaces', encodeURIComponent(namespace));
  parts.push(resource.plural);
  if (name) parts.push(encodeURIComponent(name));
  if (subresource) parts.push(subresource);
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, value);
  return parts.join('/') + (search.size > 0 ? `?${search}` : '');
}
