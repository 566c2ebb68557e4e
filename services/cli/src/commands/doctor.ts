import { EXIT, operationsV1 } from '@lastcall/contracts';
import type { Cli } from '../define.js';
import { examine, type Examination } from '../doctor/examine.js';
import { isWrong } from '../doctor/finding.js';
import { count, fields } from '../render/text.js';
import type { Work } from '../work.js';

export function addDoctor(cli: Cli): void {
  cli.define<{ installation?: string }>(
    cli.program,
    {
      use: 'doctor',
      does: 'Asks every service, store, bus, clock, certificate, agent, gate and backup, and says what is wrong and what to do; exit code 1 when something is',
      example: 'lastcall doctor',
      options: (command) => command.option('-i, --installation <id>', 'look at this installation only (default: all)'),
    },
    diagnose,
  );
}

async function diagnose(work: Work, { installation }: { installation?: string }): Promise<number> {
  // Without an address there is nobody to ask: that is said in the usual way.
  void work.services.channel;
  const examination = await examine(work.services, installation);
  const bad = examination.findings.filter(isWrong).length;
  work.print(toJson(examination), () => text(examination, bad));
  return bad === 0 ? EXIT.done : EXIT.failed;
}

function toJson({ findings, services }: Examination): unknown {
  return {
    findings: findings.map((finding) => ({ ...finding, wrong: isWrong(finding) })),
    services: services.map((state) => operationsV1.ServiceState.toJSON(state)),
  };
}

function text({ findings }: Examination, bad: number): string {
  const lines = findings.map(
    ({ about, found, remedy }) => [about, remedy === undefined ? found : `WRONG: ${found}\n${remedy}`] as const,
  );
  return `${fields(lines)}\n${bad === 0 ? 'Nothing is wrong.' : `${count(bad, 'thing is', 'things are')} wrong.`}\n`;
}
