/** kubectl herd verify: does a zone that runs do what it should? */
import type { Command } from '../arguments.ts';
import { type ExitCode, exitCodes } from '../failures.ts';
import { readHerd, zonesOf } from '../herd.ts';
import type { Session } from '../session.ts';
import { formatted, plural, table } from '../text.ts';
import { type Finding, verifyZone } from './checks.ts';
import { gather } from './evidence.ts';

export async function verify(session: Session, command: Command): Promise<ExitCode> {
  const herd = await readHerd(session.client, session.namespace);
  const zones = zonesOf(herd, command.name, session.namespace);
  const findings = (await gather(session, herd, zones)).flatMap(verifyZone);
  const failed = findings.some(({ result }) => result === 'fail');
  session.terminal.out(formatted(command.output, { ok: !failed, findings }, () => drawFindings(findings)));
  return failed ? exitCodes.wrong : exitCodes.ok;
}

export function drawFindings(findings: readonly Finding[]): string {
  const rows = findings.map(({ zone, check, result, seen }) => [zone, check, result, seen]);
  const todos = findings.filter(({ todo }) => todo !== '');
  const count = (wanted: Finding['result']) => findings.filter(({ result }) => result === wanted).length;
  return [
    table(['ZONE', 'CHECK', 'RESULT', 'SEEN'], rows),
    ...todos.map(({ zone, check, todo }) => `${zone} ${check}: ${todo}\n`),
    `${plural(count('pass'), 'check')} passed, ${count('fail')} failed, ${count('skip')} skipped\n`,
  ].join('');
}
