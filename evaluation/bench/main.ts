/** npm run bench -- NAME [--json] …: measurements that need more than a function. Exit code 2 for wrong arguments. */
const BENCHES: Readonly<
  Record<string, { usage: string; load: () => Promise<{ run: (args: string[]) => Promise<number> }> }>
> = {
  operator: { usage: 'operator [--json] [--zones N] [--superpeers N]', load: () => import('./operator.ts') },
};

const [name = '', ...args] = process.argv.slice(2);
const bench = Object.hasOwn(BENCHES, name) ? BENCHES[name] : undefined;
try {
  if (!bench) throw new TypeError(name ? `there is no bench ${name}` : 'which bench?');
  const { run } = await bench.load();
  process.exitCode = await run(args);
} catch (error) {
  // What parseArgs throws too.
  if (!(error instanceof TypeError)) throw error;
  const usages = Object.values(BENCHES).map(({ usage }) => `  npm run bench -- ${usage}`);
  process.stderr.write(`${error.message}\n${usages.join('\n')}\n`);
  process.exitCode = 2;
}
