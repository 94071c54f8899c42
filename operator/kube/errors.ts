/** What the API server refused, typed by its Status object; and the words callers ask about it. */
export class ApiError extends Error {
  readonly code: number;
  readonly reason: string;
  /** What the server asked for by Retry-After; 0: nothing. */
  readonly retryAfterMs: number;
  constructor(code: number, reason: string, message: string, retryAfterMs = 0) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.reason = reason;
    this.retryAfterMs = retryAfterMs;
  }
}

/** @param status a Kubernetes Status object, or whatever else came as the body */
export function apiError(code: number, status: unknown, retryAfterMs = 0): ApiError {
  const { reason, message, code: inner } = (status ?? {}) as { reason?: string; message?: string; code?: number };
  return new ApiError(inner ?? code, reason ?? 'Unknown', message ?? `the API server answered ${code}`, retryAfterMs);
}

const hasCode = (error: unknown, code: number) => error instanceof ApiError && error.code === code;
export const isNotFound = (error: unknown) => hasCode(error, 404);
/** 409 is both "already exists" and "changed meanwhile". */
export const isConflict = (error: unknown) => hasCode(error, 409);
/** The server does not know what was asked for, or refuses to be asked so. */
export const isInvalid = (error: unknown) => hasCode(error, 400) || hasCode(error, 422);
/** The resource version is too old to continue from: list again. */
export const isGone = (error: unknown) => hasCode(error, 410);

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
