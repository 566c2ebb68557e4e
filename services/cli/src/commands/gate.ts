import { sessionV1 } from '@lastcall/contracts';
import type { Cli } from '../define.js';
import { durationOption } from '../option-values.js';
import { fields } from '../render/text.js';
import { time } from '../render/time.js';
import { gateWord } from '../render/words.js';
import type { Work } from '../work.js';

export function addGate(cli: Cli): void {
  const noun = cli.noun('gate', 'Whether users may log in');
  cli.define(noun, { use: 'show', does: 'Shows the gate', example: 'lastcall gate show', installation: true }, show);
  cli.define<{ reason: string; reactionTime?: string }>(
    noun,
    {
      use: 'close',
      does: 'Tells everybody, waits the reaction time, logs everybody off and keeps the gate shut until "gate open"',
      example: 'lastcall gate close --reason "The server moves to the new rack." --reaction-time 10m',
      installation: true,
      options: (command) =>
        command
          .requiredOption('--reason <text>', 'why, for users')
          .option('--reaction-time <span>', "from the notice to the logoff (default: the installation's)"),
    },
    close,
  );
  cli.define<{ reason: string }>(
    noun,
    {
      use: 'open',
      does: 'Opens the gate whatever state it is in; refused while an install is running',
      example: 'lastcall gate open --reason "Checked by hand, all hosts are on 11.0.0."',
      installation: true,
      options: (command) => command.requiredOption('--reason <text>', 'why, for the record'),
    },
    open,
  );
}

async function nameOf(work: Work): Promise<string> {
  return `${(await work.installation()).name}/gate`;
}

async function show(work: Work): Promise<void> {
  const { gate } = await work.services.session.getGate({ name: await nameOf(work) });
  await print(work, gate);
}

async function close(work: Work, options: { reason: string; reactionTime?: string }): Promise<void> {
  const reactionTime = durationOption('--reaction-time', options.reactionTime);
  const request = { name: await nameOf(work), reason: options.reason, reactionTime };
  await print(work, (await work.services.session.closeGate(request)).gate);
}

async function open(work: Work, { reason }: { reason: string }): Promise<void> {
  await print(work, (await work.services.session.openGate({ name: await nameOf(work), reason })).gate);
}

async function print(work: Work, found: sessionV1.Gate | undefined): Promise<void> {
  const gate = found ?? sessionV1.Gate.create();
  const zone = (await work.installation()).timeZone;
  work.print(sessionV1.Gate.toJSON(gate), () =>
    fields([
      ['Gate', gateWord(gate.state)],
      ['Alarm', gate.alarm ? 'A PERSON IS NEEDED' : ''],
      ['Reason', gate.reason],
      ['Run', gate.run],
      ['Since', time(gate.closedAt, zone)],
      ['Expected', time(gate.expectedAt, zone)],
      ['Version', gate.version || 'any'],
      [
        'Shut hosts',
        Object.entries(gate.shutHosts)
          .map(([host, why]) => `${host}: ${why}`)
          .join('\n'),
      ],
      ['Notice', gate.notice?.text],
      ['Logoff', time(gate.notice?.deadline, zone)],
    ]),
  );
}
