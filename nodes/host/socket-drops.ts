import { readFileSync } from 'node:fs';

/**
 * Datagrams that the kernel threw away because the socket's buffer was full, since the socket was opened: the last column
 * of /proc/net/udp, for the port that this process listens on. Read when somebody asks, so the plane's thread has no part
 * in it. 0 where there is no such file or no such socket.
 */
export function socketDrops(port: number, file = '/proc/net/udp'): number {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return 0;
  }
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const line = text.split('\n').find((row) => row.trim().split(/\s+/)[1]?.endsWith(suffix));
  return Number(line?.trim().split(/\s+/).at(-1) ?? 0);
}
