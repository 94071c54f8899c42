/** Goes a path of support/paths.ts, undisturbed, and says what was there on the way and in the end. */
import { againMs } from '../../../operator/controllers/apply.ts';
import { eventually } from './control-plane.ts';
import type { Normal } from './normal.ts';
import { type Path, prepare } from './paths.ts';
import type { Stage, World } from './world.ts';

export const image = 'herd.local/node:test';

export interface Walked {
  /** After each list of what is there before. */
  readonly before: readonly Normal[];
  readonly end: Normal;
  /** What the operator changed on the path, in the order in which it was done. */
  readonly mutations: readonly string[];
}

/** An operator that has something to do looks every two seconds, or tells it after a while (controllers/apply.ts), each a fifth later at most: longer than that is peace. */
const peaceMs = 1.2 * againMs + 2_000;
const walkMsMax = 90_000;

export async function undisturbed(stage: Stage, path: Path): Promise<Walked> {
  const world = await stage.newWorld();
  try {
    const before: Normal[] = [];
    if (path.member) await world.join();
    let { gate } = await world.startOperator(image);
    for (const one of path.before) {
      await prepare(world, one);
      before.push(await rest(world, () => observed(world), `what is there before ${path.what}`));
    }
    if (path.image) ({ gate } = await world.startOperator(path.image));
    const from = gate.mutations.length;
    await path.walk(world);
    const end = await rest(world, () => path.through(world), path.what);
    return { before, end, mutations: gate.mutations.slice(from) };
  } finally {
    await world.stopOperator();
  }
}

/** Every Zone and Superpeer has been looked at since it was last changed. */
function observed(world: World): boolean {
  return world.mirror.in(world.namespace).every(({ object }) => {
    const { observedGeneration } = ((object as { status?: object }).status ?? {}) as { observedGeneration?: number };
    return observedGeneration === undefined || observedGeneration === object.metadata.generation;
  });
}

/** Through, and nothing changes any more. */
async function rest(world: World, through: () => boolean, what: string): Promise<Normal> {
  let version = -1;
  let since = 0;
  await eventually(
    () => {
      const now = world.version();
      if (now !== version || !through()) since = performance.now();
      version = now;
      return performance.now() - since > peaceMs;
    },
    what,
    walkMsMax,
  );
  return world.normal();
}
