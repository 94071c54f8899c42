import { loadAll, YAML11_SCHEMA } from 'js-yaml';

/** The documents of a YAML text, by the version that Kubernetes reads. @throws what is wrong with the text */
export const documents = <T>(text: string): T[] => loadAll(text, { schema: YAML11_SCHEMA }) as T[];
