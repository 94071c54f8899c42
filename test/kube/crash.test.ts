/**
 * An operator may die at any moment, and the next one makes of what it finds what the first would have made.
 * Every path of support/paths.ts is gone once undisturbed. Then it is gone once for each kind of request that changed
 * something, in a fresh namespace, by an operator that dies when the first of them is done on the server; with
 * HERD_CRASHES=all once for each such request. Another operator takes over. (Whether the answer was read before death is
 * all one to the cluster: nothing comes of it.) Once more it is gone by an operator that lives on but loses every answer.
 * In the end the namespace holds the same objects as undisturbed, field by field but for keys, addresses and times, and
 * every Secret in it was made as often.
 */
import assert from 'node:assert/strict';
import test, { after, before, suite } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { eventually, skip } from './support/control-plane.ts';
import type { Normal } from './support/normal.ts';
import { type Path, paths, prepare } from './support/paths.ts';
import { image, undisturbed, type Walked } from './support/walk.ts';
import { type Operator, type Stage, startStage, type World } from './support/world.ts';

/** So many worlds at a time: most of a world's time goes by in waiting. */
const worldsMax = 24;
const becomesMsMax = 60_000;
/** A look at a whole namespace costs some milliseconds. */
const lookMs = 400;

suite('an operator that crashes', { skip, concurrency: paths.length }, () => {
  let stage: Stage;
  const inTurn = turns(worldsMax);
  before(async () => {
    stage = await startStage({ onRequest: () => {}, watchLists: true });
  });
  after(() => stage?.stop());

  for (const path of paths) {
    test(path.what, async (t) => {
      const expected = await inTurn(() => undisturbed(stage, path));
      const deaths = deathsOf(expected.mutations);
      const [died] = await Promise.all([
        Promise.all(deaths.map((death) => inTurn(() => crashed(stage, path, death, expected)))),
        inTurn(() => unheard(stage, path, expected)),
      ]);
      t.diagnostic(`${expected.mutations.length} mutating requests, ${died.filter(Boolean).length} deaths`);
    });
  }
});

interface Death {
  readonly mutation: string;
  readonly nth: number;
}

function deathsOf(mutations: readonly string[]): Death[] {
  const all = mutations.map((mutation, i) => ({
    mutation,
    nth: mutations.slice(0, i + 1).filter((before) => before === mutation).length,
  }));
  return process.env.HERD_CRASHES === 'all' ? all : all.filter(({ nth }) => nth === 1);
}

/** @returns whether it died: a path may take fewer requests than undisturbed, as when two changes are told in one */
async function crashed(stage: Stage, path: Path, { mutation, nth }: Death, expected: Walked): Promise<boolean> {
  const what = `${path.what}, dead after number ${nth} of ${mutation}`;
  const world = await stage.newWorld();
  try {
    const operator = await bringTo(world, path, expected);
    operator.gate.dieAt(mutation, nth);
    await path.walk(world);
    const through = becomes(world, expected.end, what);
    const died = await Promise.race([operator.gate.died.then(() => true), through.then(() => false)]);
    if (died) await world.startOperator(path.image ?? image);
    await through;
    return died;
  } finally {
    await world.stopOperator();
  }
}

async function unheard(stage: Stage, path: Path, expected: Walked): Promise<void> {
  const world = await stage.newWorld();
  try {
    const operator = await bringTo(world, path, expected);
    operator.gate.loseAnswers();
    await path.walk(world);
    await becomes(world, expected.end, `${path.what}, every answer lost`);
  } finally {
    await world.stopOperator();
  }
}

/** To where the path begins. @returns the operator that is to walk it */
async function bringTo(world: World, path: Path, { before }: Walked): Promise<Operator> {
  if (path.member) await world.join();
  const operator = await world.startOperator(image);
  for (const [i, one] of path.before.entries()) {
    await prepare(world, one);
    await becomes(world, before[i]!, `what is there before ${path.what}`);
  }
  return path.image ? world.startOperator(path.image) : operator;
}

/** @throws an AssertionError that shows what differs */
async function becomes(world: World, expected: Normal, what: string): Promise<void> {
  let version = -1;
  let looked = 0;
  const attempt = () => {
    const now = world.version();
    if (now === version || performance.now() - looked < lookMs) return false;
    version = now;
    looked = performance.now();
    return isDeepStrictEqual(world.normal(), expected);
  };
  await eventually(attempt, what, becomesMsMax).catch(() => assert.deepEqual(world.normal(), expected, what));
}

/** Runs at most so many at a time, in the order of asking. */
function turns(max: number): <T>(task: () => Promise<T>) => Promise<T> {
  let free = max;
  /** BOUNDED: by the crashes of all paths. */
  const waiting: (() => void)[] = [];
  return async (task) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free--;
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
