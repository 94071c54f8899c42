import { z } from 'zod';
import { KEY_BYTES } from '../crypto/keys.ts';

/** A key in a document: base64 of 32 bytes, written in the one way in which it can be. */
export const keyText = z.string().refine((text) => {
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === KEY_BYTES && bytes.toString('base64') === text;
}, 'must be 32 bytes in base64');
