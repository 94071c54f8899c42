import { z } from 'zod';
import { zoneParams } from './consensus.ts';
import { parseContact } from './contact.ts';
import { keyText } from './key-text.ts';

/**
 * The configuration files of the daemons: the only contract between the operator and the nodes.
 *
 * A file that does not fit lists all its problems at once and the daemon does not start.
 */
/** Channels have 16 bits on the wire, and 0 is a mix itself. */
const CHANNEL_MAX = 0xffff;
/** With 50 clients each it would send 360 Mb/s. */
const SUPERPEER_CHANNELS_MAX = 64;
const port = z.int().min(1).max(65535);
const name = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be a DNS label');
const listen = z.object({ port });
const directory = z.object({ url: z.url(), rootKey: keyText });

export const relayConfig = z.object({
  role: z.enum(['mix', 'rendezvous', 'superpeer']),
  id: name,
  zone: name,
  directory,
  listen,
  metrics: listen,
});
export type RelayConfig = z.infer<typeof relayConfig>;

/** A client that nobody talks over: it calls that contact at intervals, and its metrics tell how the calls went. */
const probe = z.object({
  contact: z
    .string()
    .max(256)
    .refine((text) => !('refused' in parseContact(text)), 'must be a contact, herd:ZONE:KEY:CHECKSUM'),
  everySeconds: z.int().min(10).max(3600),
  callSeconds: z.int().min(1).max(60),
});
export type ProbeConfig = z.infer<typeof probe>;

export const clientConfig = z.object({
  role: z.literal('client'),
  id: name,
  zone: name,
  directory,
  listen,
  metrics: listen,
  control: listen,
  probe: probe.optional(),
});
export type ClientConfig = z.infer<typeof clientConfig>;

/** Set by the operator a while before it ends the node. */
const draining = z.boolean().optional();
const rosterEntry = z.discriminatedUnion('role', [
  z.object({ id: name, role: z.enum(['mix', 'rendezvous']), identityKey: keyText, draining }),
  z.object({
    id: name,
    role: z.literal('superpeer'),
    identityKey: keyText,
    draining,
    channels: z.int().min(1).max(SUPERPEER_CHANNELS_MAX),
    /** The first of as many numbers in a row; if not given, numbers go through the superpeers by id. */
    firstChannel: z.int().min(1).max(CHANNEL_MAX).optional(),
    /** By channel: its mix and the one that stands by; what is not given is dealt by the directory (dealing.ts). */
    dealt: z
      .array(z.object({ mix: name, standby: name.optional() }))
      .max(SUPERPEER_CHANNELS_MAX)
      .optional(),
  }),
]);
export type RosterEntry = z.infer<typeof rosterEntry>;

const directoryZone = z.object({
  zone: name,
  provider: z.string().min(1).max(253),
  jurisdiction: z.string().min(1).max(253),
  params: zoneParams,
  roster: z.array(rosterEntry).max(4096),
  peers: z.array(z.object({ zone: name, url: z.url(), rootKey: keyText })).max(256),
});
export type DirectoryZone = z.infer<typeof directoryZone>;

export const directoryConfig = z.object({
  role: z.literal('directory'),
  id: name,
  listen,
  metrics: listen,
  epochSeconds: z.int().min(60).max(86_400),
  zones: z.array(directoryZone).min(1).max(256),
});
export type DirectoryConfig = z.infer<typeof directoryConfig>;

/** Parses a configuration file's text; throws one error that lists every problem by field. */
export function parseConfig<T>(schema: z.ZodType<T>, text: string, file: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${(error as Error).message}`);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new Error(`${file} has problems:\n${z.prettifyError(parsed.error)}`);
  return parsed.data;
}

/** A key file: base64 of 32 bytes. The caller wipes what it gets. */
export function parseSeed(text: string, file: string): Buffer {
  const parsed = keyText.safeParse(text.trim());
  if (!parsed.success) throw new Error(`${file} must hold 32 bytes in base64`);
  return Buffer.from(parsed.data, 'base64');
}
