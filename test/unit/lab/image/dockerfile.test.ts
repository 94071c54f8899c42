/** The images of the Dockerfiles are those that the lab builds: the same Node, user, program and folders. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test, { suite } from 'node:test';

const root = path.join(import.meta.dirname, '../../../..');
const read = (file: string) => readFileSync(path.join(root, file), 'utf8');
const node = (JSON.parse(read('package.json')) as { devDependencies: Record<string, string> }).devDependencies.node;
const ignored = read('.dockerignore').split('\n');
const lab = read('lab/image/build.ts');

for (const [file, folders] of [
  ['nodes/Dockerfile', ['nodes']],
  ['operator/Dockerfile', ['nodes', 'operator']],
] as const) {
  suite(file, () => {
    const lines = read(file)
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    const stages = lines.filter((line) => line.startsWith('FROM '));
    const last = lines.slice(lines.lastIndexOf(stages.at(-1)!) + 1);

    test('every stage has the Node that tests run, the last a slim one', () => {
      for (const stage of stages) assert.match(stage, new RegExp(`^FROM node:${node}-bookworm(-slim)?( AS |$)`));
      assert.equal(stages.at(-1), `FROM node:${node}-bookworm-slim`);
    });

    test('what runs is Node, as nobody that the machine knows', () => {
      const user = /userId = (\d+)/.exec(lab)![1];
      assert.ok(last.includes(`USER ${user}:${user}`));
      assert.ok(last.includes(`ENTRYPOINT ["/${/nodeProgram = '(.+)'/.exec(lab)![1]}"]`));
      assert.equal(
        last.filter((line) => line.startsWith('RUN ')).length,
        0,
        'nothing is run as root in the last stage',
      );
    });

    test('it has the folders that the lab gives the image', () => {
      const copied = last.flatMap((line) => /^COPY (?:--from=\w+ )?(\S+) \S+$/.exec(line)?.[1] ?? []);
      const names = copied.map((source) => source.replace('/app/', '')).sort();
      assert.deepEqual(names, ['node_modules', 'package.json', ...folders].sort());
      for (const folder of folders) assert.ok(lab.includes(`'app/${folder}/'`), folder);
    });

    test('what it copies from the repository is there and not ignored', () => {
      const sources = lines.flatMap((line) => /^COPY (?!--from)(.+) \S+$/.exec(line)?.[1]?.split(' ') ?? []);
      assert.ok(sources.length > 0);
      for (const source of sources) assert.ok(existsSync(path.join(root, source)) && ignored.includes(`!${source}`));
    });
  });
}
