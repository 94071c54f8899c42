/**
 * REST to one cluster over one kept-alive connection pool (the client library would open a new TLS connection per request).
 * Upholds: a request that the server surely did not run (429) or that may be repeated without harm is retried with full
 * jitter; every other failure is thrown typed. No mutating request leaves without the caller's leave (mayWrite).
 */
import { Agent, type Dispatcher } from 'undici';
import { fullJitter, type Random, sleep } from './backoff.ts';
import type { Cluster } from './cluster.ts';
import { ApiError, apiError, isNotFound } from './errors.ts';
import type { KubeObject, Manifest, Resource } from './types.ts';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'apply' | 'delete';

export interface ClientOptions {
  /** Throws when writing is no longer allowed, such as after the lease was lost. */
  readonly mayWrite?: () => void;
  readonly onRequest?: (verb: Verb, code: number, seconds: number) => void;
  readonly random?: Random;
}

export interface Scope {
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
}

export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

interface Request {
  readonly verb: Verb;
  readonly method: Dispatcher.HttpMethod;
  readonly path: string;
  readonly body?: object;
  readonly contentType?: string;
  readonly accept?: string;
}

/** A page of a list; also what kubectl and client-go ask for. */
const pageSize = 500;
const requestMsMax = 10_000;
const attemptsMax = 5;
/** A Retry-After longer than this is not waited for in place: the work queue does that better. */
const retryAfterMsMax = 10_000;
const metadataOnly = 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1';
const repeatable: ReadonlySet<Verb> = new Set(['get', 'list', 'apply', 'delete']);

export class KubeClient {
  readonly #cluster: Cluster;
  readonly #agent: Agent;
  readonly #options: ClientOptions;

  constructor(cluster: Cluster, options: ClientOptions = {}) {
    this.#cluster = cluster;
    this.#options = options;
    // HTTP/1.1: over HTTP/2 all watches and requests would share one connection, and its stall.
    this.#agent = new Agent({
      allowH2: false,
      connect: { ...cluster.tls },
      connections: 64,
      keepAliveTimeout: 30_000,
      pipelining: 1,
    });
  }

  async get<T extends KubeObject>(resource: Resource<T>, namespace: string, name: string): Promise<T | undefined> {
    return this.#find<T>({ verb: 'get', method: 'GET', path: pathOf(resource, namespace, name) });
  }

  /** Metadata alone: how the operator looks at a Secret without reading it. */
  async getMetadata(resource: Resource<KubeObject>, namespace: string, name: string): Promise<KubeObject | undefined> {
    return this.#find({ verb: 'get', method: 'GET', path: pathOf(resource, namespace, name), accept: metadataOnly });
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
        method: 'GET',
        path,
      });
      for (const item of page.items ?? []) items.push(item);
      next = page.metadata.continue;
      if (!next) return { items, resourceVersion: page.metadata.resourceVersion };
    }
  }

  /**
   * One watch request, from a resource version until the server closes it.
   * @param silenceMsMax aborts when no byte came for so long: a half-open connection says nothing, forever
   * @throws ApiError as HTTP status or as ERROR event (410: list again); any network error
   */
  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    scope: Scope,
    from: { resourceVersion: string; timeoutSeconds: number; silenceMsMax: number; signal: AbortSignal },
  ): AsyncGenerator<WatchEvent<T>> {
    const path = pathOf(resource, scope.namespace, undefined, {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: from.resourceVersion,
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
      const response = await this.#send({ verb: 'watch', method: 'GET', path }, signal);
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

  /** Server-side apply of a child that is ours: we win conflicts. */
  async apply<T extends KubeObject>(resource: Resource<T>, manifest: Manifest, fieldManager: string): Promise<T> {
    return this.#apply(resource, manifest, fieldManager, undefined);
  }

  /** With metadata.uid in the manifest this fails with 409 if the object was replaced by another of its name. */
  async applyStatus<T extends KubeObject>(resource: Resource<T>, manifest: Manifest, fieldManager: string): Promise<T> {
    return this.#apply(resource, manifest, fieldManager, 'status');
  }

  /** @throws ApiError 409 when it exists */
  async create<T extends KubeObject>(resource: Resource<T>, manifest: Manifest): Promise<T> {
    const path = pathOf(resource, manifest.metadata.namespace);
    return this.#json({ verb: 'create', method: 'POST', path, body: manifest, contentType: 'application/json' });
  }

  /** @throws ApiError 409 when the resource version in the object is not the newest */
  async update<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    const path = pathOf(resource, object.metadata.namespace, object.metadata.name);
    return this.#json({ verb: 'update', method: 'PUT', path, body: object, contentType: 'application/json' });
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
    await this.#find({ verb: 'delete', method: 'DELETE', path, body, contentType: 'application/json' });
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  #apply<T extends KubeObject>(resource: Resource<T>, manifest: Manifest, fieldManager: string, subresource?: string) {
    const query = { fieldManager, force: 'true' };
    const path = pathOf(resource, manifest.metadata.namespace, manifest.metadata.name, query, subresource);
    const contentType = 'application/apply-patch+yaml';
    return this.#json<T>({ verb: 'apply', method: 'PATCH', path, body: manifest, contentType });
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
    if (request.method !== 'GET') this.#options.mayWrite?.();
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await this.#send(request, AbortSignal.timeout(requestMsMax));
        return (await response.body.json()) as T;
      } catch (error) {
        const waitMs = attempt < attemptsMax ? this.#retryAfterMs(request, error, attempt) : undefined;
        if (waitMs === undefined) throw error;
        await sleep(waitMs);
      }
    }
  }

  #retryAfterMs(request: Request, error: unknown, attempt: number): number | undefined {
    const code = error instanceof ApiError ? error.code : 0;
    if (code !== 429 && !repeatable.has(request.verb)) return undefined;
    if (code > 0 && code !== 429 && code < 500) return undefined;
    const jitterMs = fullJitter(attempt, 100, 5_000, this.#options.random ?? Math.random, 20);
    const askedMs = error instanceof RetryLater ? error.afterMs : 0;
    return askedMs > retryAfterMsMax ? undefined : askedMs + jitterMs;
  }

  async #send(request: Request, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    const started = performance.now();
    let code = 0;
    try {
      const response = await this.#agent.request({
        origin: this.#cluster.server,
        path: request.path,
        method: request.method,
        headers: {
          accept: request.accept ?? 'application/json',
          'user-agent': 'herd-operator',
          ...(request.contentType ? { 'content-type': request.contentType } : {}),
          ...(await this.#cluster.headers()),
        },
        body: request.body ? JSON.stringify(request.body) : null,
        signal,
        bodyTimeout: 0,
      });
      code = response.statusCode;
      if (code >= 400) {
        const body = await response.body.text();
        const status = parseStatus(body);
        const afterS = Number(response.headers['retry-after']);
        throw afterS > 0 ? new RetryLater(apiError(code, status), afterS * 1000) : apiError(code, status);
      }
      return response;
    } finally {
      this.#options.onRequest?.(request.verb, code, (performance.now() - started) / 1000);
    }
  }
}

class RetryLater extends ApiError {
  readonly afterMs: number;
  constructor(cause: ApiError, afterMs: number) {
    super(cause.code, cause.reason, cause.message);
    this.afterMs = afterMs;
  }
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
