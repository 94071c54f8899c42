/** `npm run manifests`: writes manifests/dist and what the charts are given. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { generatedFiles, wholeFolders } from './files.ts';

const root = path.join(import.meta.dirname, '..');
for (const folder of wholeFolders) rmSync(path.join(root, folder), { recursive: true, force: true });
for (const [file, text] of generatedFiles()) {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), text);
}
