import { createHash } from 'node:crypto';
import { open, rename } from 'node:fs/promises';
import { type TarEntry, tar } from './tar.ts';

/** Content of an image archive that is referred to by its digest. */
interface Blob {
  mediaType: string;
  /** "sha256:" and hex. */
  digest: string;
  size: number;
  pieces: Uint8Array[];
}

export interface Image {
  /** Digest of the image's manifest: names the image's whole content. */
  digest: string;
  manifest: Blob;
  blobs: Blob[];
}

/** How a container of the image starts; field names of the OCI image configuration. */
export interface ImageConfig {
  Entrypoint: string[];
  Env?: string[];
  User?: string;
  WorkingDir?: string;
}

/**
 * Makes a layer of files. Not compressed: the archive goes to containerds on this machine, and unpacking a compressed
 * layer in each of them takes longer than copying it.
 */
export function layer(entries: readonly TarEntry[]): Blob {
  return blob('application/vnd.oci.image.layer.v1.tar', tar(entries));
}

/** Makes an image of layers, the lowest first. The same content gives the same digest. */
export function image(layers: readonly Blob[], config: ImageConfig): Image {
  const configuration = json('application/vnd.oci.image.config.v1+json', {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config,
    rootfs: { type: 'layers', diff_ids: layers.map((part) => part.digest) },
  });
  const manifest = json('application/vnd.oci.image.manifest.v1+json', {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor(configuration),
    layers: layers.map(descriptor),
  });
  return { digest: manifest.digest, manifest, blobs: [manifest, configuration, ...layers] };
}

/**
 * Writes images as one OCI image layout in a tar file; what they share is in it once.
 * @param images by the reference under which a node finds them, e.g. "herd.local/node:dev"
 */
export async function writeArchive(file: string, images: Record<string, Image>): Promise<void> {
  const index = {
    schemaVersion: 2,
    manifests: Object.entries(images).map(([reference, { manifest }]) => ({
      ...descriptor(manifest),
      // containerd takes the whole reference from the first; the second is the specification's, a tag alone.
      annotations: {
        'io.containerd.image.name': reference,
        'org.opencontainers.image.ref.name': reference.slice(reference.lastIndexOf(':') + 1),
      },
    })),
  };
  const blobs = new Map(Object.values(images).flatMap(({ blobs }) => blobs.map((part) => [part.digest, part])));
  const text = (path: string, value: unknown): TarEntry => ({
    path,
    mode: 0o644,
    content: Buffer.from(JSON.stringify(value)),
  });
  const entries: TarEntry[] = [text('oci-layout', { imageLayoutVersion: '1.0.0' }), text('index.json', index)];
  for (const part of blobs.values()) {
    const path = `blobs/${part.digest.replace(':', '/')}`;
    entries.push({ path, mode: 0o644, content: Buffer.concat(part.pieces) });
  }
  const partial = `${file}.partial-${process.pid}`;
  const out = await open(partial, 'w');
  try {
    await out.writeFile(tar(entries));
  } finally {
    await out.close();
  }
  await rename(partial, file);
}

function blob(mediaType: string, pieces: Uint8Array[]): Blob {
  const hash = createHash('sha256');
  for (const piece of pieces) hash.update(piece);
  const size = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return { mediaType, digest: `sha256:${hash.digest('hex')}`, size, pieces };
}

function json(mediaType: string, value: unknown): Blob {
  return blob(mediaType, [Buffer.from(JSON.stringify(value))]);
}

function descriptor({ mediaType, digest, size }: Blob) {
  return { mediaType, digest, size };
}
