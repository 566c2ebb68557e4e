import { sessionV1 } from '@lastcall/contracts';
import type { Cli } from '../define.js';
import { durationOption } from '../option-values.js';
import { fields, oneLine } from '../render/text.js';
import { time } from '../render/time.js';
import { gateWord, lastPart, noticeKindWord } from '../render/words.js';
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
  cli.define(
    noun,
    {
      use: 'first-start <installation> <host>',
      does: 'Shows the code with which you start the client once on a terminal server that is shut, to prove that it runs',
      example: 'lastcall gate first-start berlin ts-1',
    },
    firstStart,
  );
}

async function firstStart(work: Work, _: object, installation: string, host: string): Promise<void> {
  const name = `installations/${lastPart(installation)}/gate`;
  const answer = await work.services.session.getFirstStart({ name, host: lastPart(host) });
  work.print(sessionV1.GetFirstStartResponse.toJSON(answer), () =>
    fields([
      ['Code', answer.code],
      ['Version', answer.version],
      ['Linux', `LASTCALL_FIRST_START_CODE=${answer.code} <the application>`],
      ['Windows', `set LASTCALL_FIRST_START_CODE=${answer.code}&& <the application>`],
      [
        'Where',
        `on ${oneLine(host)}; when the client has attached, "lastcall gate show" has it no more among the shut hosts`,
      ],
    ]),
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
      ['Lease until', time(gate.leaseUntil, zone)],
      ['Version', gate.version || 'any'],
      [
        'Shut hosts',
        Object.entries(gate.shutHosts)
          .map(([host, why]) => `${host}: ${why}`)
          .join('\n'),
      ],
      ['Notice', gate.notice && `${noticeKindWord(gate.notice.kind)}: ${gate.notice.text}`],
      ['Begins', time(gate.notice?.startTime, zone)],
      ['Logoff', time(gate.notice?.deadline, zone)],
    ]),
  );
}
