/** The process of kubectl_complete-herd: one word a line, and then what the shell is to do besides. */
import { KubeClient } from '../operator/kube/client.ts';
import { nodeSlots, superpeers, zones } from '../operator/kube/types.ts';
import type { Noun } from './arguments.ts';
import { type Typed, typed } from './completion.ts';
import { contextsOf, placeOf } from './kubeconfig.ts';
import { userAgent } from './run.ts';

/** Nobody waits longer for the Tab key. */
const answerMsMax = 2_000;
/** To kubectl: files too, or no files. */
const directives = { files: ':0', nothing: ':4' };

async function candidates({ next, given }: Typed): Promise<readonly string[]> {
  const { kubeconfig, context } = given;
  if (next.kind === 'words') return next.words;
  if (next.kind === 'files') return [];
  if (next.kind === 'contexts') return contextsOf({ kubeconfig }, process.env);
  const place = await placeOf({ kubeconfig, context }, process.env);
  const client = new KubeClient(place.cluster, { userAgent, requestMsMax: answerMsMax });
  try {
    const scope = 'all-namespaces' in given ? {} : { namespace: given.namespace ?? place.namespace };
    if (next.kind === 'namespaces') return (await client.list(zones)).items.map(({ metadata }) => metadata.namespace!);
    if (next.kind === 'machines') {
      const { items } = await client.list(nodeSlots, scope);
      return items.flatMap(({ status }) => (status as { machine?: string } | undefined)?.machine ?? []);
    }
    const lists = await Promise.all(resourcesOf(next.noun).map((resource) => client.list(resource, scope)));
    return lists.flatMap(({ items }) => items.map(({ metadata }) => metadata.name));
  } finally {
    await client.close();
  }
}

function resourcesOf(noun: Noun) {
  const all = { SLOT: [nodeSlots], SUPERPEER: [superpeers], ZONE: [zones], 'ZONE|SLOT': [zones, nodeSlots] };
  return all[noun];
}

const words = process.argv.slice(2);
const asked = typed(words);
// Whatever is wrong, the command itself will say.
const found = await candidates(asked).catch(() => []);
const fitting = [...new Set(found)].filter((word) => word.startsWith(words.at(-1) ?? '')).sort();
process.stdout.write(
  [...fitting, asked.next.kind === 'files' ? directives.files : directives.nothing].join('\n') + '\n',
);
process.exit(0);
