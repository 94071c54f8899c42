import { generateKeyPairSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { exec } from '../host/exec.ts';

/** The lab lives for hours; its keys die with the run's directory. */
const validDays = 30;

export interface Certificate {
  certificate: string;
  key: string;
}

/** What a certificate says: who it is for Kubernetes (user and group), and at which names and addresses it serves. */
export interface Subject {
  user: string;
  group?: string;
  addresses?: string[];
  names?: string[];
}

/** A certificate authority of the run's own. All of Kubernetes' connections are authenticated by what it signs. */
export interface Authority {
  certificate: string;
  issue(file: string, subject: Subject): Promise<Certificate>;
}

/** Makes an authority that keeps its files in `directory`. */
export async function createAuthority(directory: string): Promise<Authority> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const config = path.join(directory, 'openssl.cnf');
  // The system's own configuration adds extensions that would contradict those asked for here.
  await writeFile(config, '[req]\ndistinguished_name = subject\n[subject]\n');
  const sign = async (file: string, subject: string, extensions: string[], issuer: string[]): Promise<Certificate> => {
    const certificate = path.join(directory, `${file}.crt`);
    const key = path.join(directory, `${file}.key`);
    await exec('openssl', [
      ...['req', '-x509', '-config', config, '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'],
      ...['-keyout', key, '-out', certificate, '-days', String(validDays), '-subj', subject, ...issuer],
      ...extensions.flatMap((extension) => ['-addext', extension]),
    ]);
    return { certificate, key };
  };
  const authorityExtensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign'];
  const authority = await sign('ca', '/CN=herd lab', authorityExtensions, []);
  return {
    certificate: authority.certificate,
    issue: (file, { user, group, addresses = [], names = [] }) => {
      const alternatives = [...addresses.map((address) => `IP:${address}`), ...names.map((name) => `DNS:${name}`)];
      const extensions = [
        'basicConstraints=critical,CA:FALSE',
        'keyUsage=critical,digitalSignature',
        `extendedKeyUsage=clientAuth${alternatives.length > 0 ? ',serverAuth' : ''}`,
        ...(alternatives.length > 0 ? [`subjectAltName=${alternatives.join(',')}`] : []),
      ];
      const subject = `${group ? `/O=${group}` : ''}/CN=${user}`;
      return sign(file, subject, extensions, ['-CA', authority.certificate, '-CAkey', authority.key]);
    },
  };
}

/** Makes the key that signs service account tokens. */
export async function createServiceAccountKey(directory: string): Promise<{ privateKey: string; publicKey: string }> {
  const pair = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const privateKey = path.join(directory, 'service-account.key');
  const publicKey = path.join(directory, 'service-account.pub');
  await writeFile(privateKey, pair.privateKey, { mode: 0o600 });
  await writeFile(publicKey, pair.publicKey);
  return { privateKey, publicKey };
}
