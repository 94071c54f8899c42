import { parseAllDocuments } from 'yaml';

/** The documents of a YAML text, by the version that Kubernetes reads. @throws what is wrong with the text */
export function documents<T>(text: string): T[] {
  const all = parseAllDocuments(text, { version: '1.1' });
  if ('empty' in all) return [];
  for (const { errors } of all) if (errors[0]) throw errors[0];
  return all.map((document) => document.toJS() as T);
}
