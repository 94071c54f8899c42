/** The field types that Zone and Superpeer share, each bounded so that the CEL cost of a rule stays small. */
import { z } from 'zod';

export const group = 'herd.network';
export const version = 'v1alpha1';
export const apiVersion = `${group}/${version}`;

export interface Rule {
  readonly rule: string;
  readonly message: string;
  readonly fieldPath?: string;
}

/** Attaches CEL rules: the schema emitter copies them into the CRD, where the API server enforces them. */
export const rules = (...list: Rule[]) => ({ 'x-kubernetes-validations': list });

/** Zone names become the front of Service and pod names, so they are DNS labels of at most 32 characters that start with a letter. */
export const zoneNamePattern = /^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$/;
export const zoneName = () => z.string().min(1).max(32).regex(zoneNamePattern);

/** A value that fits a Kubernetes label. */
export const labelValue = () =>
  z
    .string()
    .min(1)
    .max(63)
    .regex(/^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/);

/** Base64 of 32 bytes: an Ed25519 public key. */
export const publicKey = () =>
  z
    .string()
    .max(44)
    .regex(/^[A-Za-z0-9+/]{43}=$/);

export const generation = () => z.int().min(0).max(Number.MAX_SAFE_INTEGER);

export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly generation: number;
  readonly creationTimestamp: string;
  readonly deletionTimestamp?: string;
}

export type Parsed<T> = { ok: true; value: T } | { ok: false; problems: string[] };

/**
 * Reads a custom resource as the API server serves it. All problems are reported at once, each with its field.
 * The status is read leniently: one that this version can't read counts as not published yet.
 */
export function parseResource<Spec, Status>(
  raw: { metadata?: object; spec?: unknown; status?: unknown },
  spec: z.ZodType<Spec>,
  status: z.ZodType<Status>,
): Parsed<{ metadata: ObjectMeta; spec: Spec; status: Status | undefined }> {
  const parsed = spec.safeParse(raw.spec);
  if (!parsed.success) {
    return { ok: false, problems: parsed.error.issues.map((i) => `${['spec', ...i.path].join('.')}: ${i.message}`) };
  }
  const seen = status.safeParse(raw.status);
  const metadata = raw.metadata as ObjectMeta;
  return { ok: true, value: { metadata, spec: parsed.data, status: seen.success ? seen.data : undefined } };
}
