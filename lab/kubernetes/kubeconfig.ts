import { readFile, writeFile } from 'node:fs/promises';
import type { Certificate } from './pki.ts';

/**
 * Writes a kubeconfig with everything inside it, so that it can be copied away. JSON, which is YAML too.
 * @param server URL of the API server
 */
export async function writeKubeconfig(
  file: string,
  server: string,
  authority: string,
  client: Certificate,
): Promise<void> {
  const base64 = async (pem: string) => (await readFile(pem)).toString('base64');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'herd', cluster: { server, 'certificate-authority-data': await base64(authority) } }],
    users: [
      {
        name: 'herd',
        user: {
          'client-certificate-data': await base64(client.certificate),
          'client-key-data': await base64(client.key),
        },
      },
    ],
    contexts: [{ name: 'herd', context: { cluster: 'herd', user: 'herd' } }],
    'current-context': 'herd',
  };
  await writeFile(file, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
}
