import { preflightV1 } from '@lastcall/contracts';
import type { Command } from 'commander';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { spanOption } from '../option-values.js';
import { table } from '../render/text.js';
import { time, timeIn } from '../render/time.js';
import { lastPart } from '../render/words.js';
import type { Work } from '../work.js';

interface Wanted {
  readonly job: string;
  readonly check: string;
  readonly host?: string;
  readonly reason: string;
  readonly expires: string;
}

export function addPreflightOverrides(cli: Cli, preflight: Command): void {
  cli.define<Wanted>(
    preflight,
    {
      use: 'override',
      does: 'Lets the runs of a job go ahead although a check is not passed, until a time',
      example:
        'lastcall preflight override --job nightly --check memory --host srv1 --reason "4 GiB more come on Monday." --expires 2d',
      installation: true,
      options: (command) =>
        command
          .requiredOption('--job <job>', 'the job')
          .requiredOption('--check <check>', 'the check, as the report names it')
          .option('--host <host>', 'on this host only (default: on any)')
          .requiredOption('--reason <text>', 'why, for the report and the audit log')
          .requiredOption('--expires <span>', 'for how long, up to 7d'),
    },
    override,
  );
  const noun = preflight.command('overrides').description('What people have said about checks');
  cli.define(
    noun,
    {
      use: 'list',
      does: 'Lists overrides, newest first, with those that are over',
      example: 'lastcall preflight overrides list',
      installation: true,
    },
    list,
  );
  cli.define(
    noun,
    {
      use: 'revoke <override>',
      does: 'Takes an override back: the check blocks again',
      example: 'lastcall preflight overrides revoke o-4f2',
      installation: true,
    },
    revoke,
  );
}

async function override(work: Work, { job, check, host = '', reason, expires }: Wanted): Promise<void> {
  const { name: parent, timeZone } = await work.installation();
  const expireTime = new Date(Date.now() + spanOption('--expires', expires));
  const wanted = preflightV1.Override.fromPartial({ job, check, host, reason, expireTime });
  const answer = await work.services.preflight.createOverride({ parent, override: wanted });
  const made = answer.override ?? wanted;
  work.print(preflightV1.CreateOverrideResponse.toJSON(answer), () => {
    const where = host === '' ? '' : ` on ${host}`;
    return `${lastPart(made.name)}: ${check}${where} does not hold up ${job} until ${time(made.expireTime, timeZone)}\n`;
  });
}

async function list(work: Work): Promise<void> {
  const { name: parent, timeZone } = await work.installation();
  const overrides = await allPages(async (pageToken) => {
    const page = await work.services.preflight.listOverrides({ parent, pageSize: 1_000, pageToken });
    return { items: page.overrides, next: page.nextPageToken };
  });
  work.print(preflightV1.ListOverridesResponse.toJSON({ overrides, nextPageToken: '' }), () =>
    table(
      ['override', 'job', 'check', 'host', 'by', `until (${timeZone})`, 'state', 'reason'],
      overrides.map((o) => [
        lastPart(o.name),
        o.job,
        o.check,
        o.host,
        o.createdBy,
        timeIn(o.expireTime, timeZone),
        stateOf(o),
        o.reason,
      ]),
      'no overrides',
    ),
  );
}

function stateOf({ revokedBy, revokeTime, expireTime }: preflightV1.Override): string {
  if (revokeTime) return `taken back by ${revokedBy}`;
  return expireTime && expireTime.getTime() > Date.now() ? 'stands' : 'over';
}

async function revoke(work: Work, _: object, id: string): Promise<void> {
  const name = `${(await work.installation()).name}/overrides/${lastPart(id)}`;
  const answer = await work.services.preflight.revokeOverride({ name });
  const state = answer.override ? stateOf(answer.override) : 'over';
  work.print(preflightV1.RevokeOverrideResponse.toJSON(answer), () => `${lastPart(id)}: ${state}\n`);
}
