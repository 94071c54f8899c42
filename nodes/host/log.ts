/**
 * One JSON line per event on standard output. An event names what happened to this node; no field of it may name a
 * client, a channel member, a circuit or a call, and keys have types that cannot get here.
 */
export type LogField = string | number | boolean;

export function log(level: 'info' | 'warn' | 'error', event: string, fields: Record<string, LogField> = {}): void {
  process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields })}\n`);
}
