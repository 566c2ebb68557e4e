import { sessionV1 } from '@lastcall/contracts';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { oneLine, table } from '../render/text.js';
import { timeIn } from '../render/time.js';
import { lastPart } from '../render/words.js';
import { watchList } from '../watch/watch-list.js';
import type { Work } from '../work.js';

export function addHold(cli: Cli): void {
  const noun = cli.noun('hold', 'Users who ask for time before a logoff');
  cli.define(
    noun,
    { use: 'list', does: 'Lists holds, oldest first', example: 'lastcall hold list', installation: true },
    list,
  );
  cli.define(
    noun,
    {
      use: 'watch',
      does: 'Shows holds as they come and go, until Ctrl-C',
      example: 'lastcall hold watch',
      installation: true,
    },
    watch,
  );
  cli.define<{ reason: string }>(
    noun,
    {
      use: 'release <hold>',
      does: 'Ends a hold; the logoff is no later for it',
      example: 'lastcall hold release h-4f2 --reason "Ada has gone home, says her colleague."',
      installation: true,
      options: (command) => command.requiredOption('--reason <text>', 'why, for the record'),
    },
    release,
  );
  cli.define(
    noun,
    {
      use: 'approve <hold>',
      does: 'Agrees to a hold that waits for a second person; from then on it counts',
      example: 'lastcall hold approve h-4f2',
      installation: true,
    },
    approve,
  );
}

async function holds(work: Work): Promise<readonly sessionV1.Hold[]> {
  const { name: parent } = await work.installation();
  return allPages(async (pageToken) => {
    const page = await work.services.session.listHolds({ parent, pageSize: 1_000, pageToken });
    return { items: page.holds, next: page.nextPageToken };
  });
}

function toJson(found: readonly sessionV1.Hold[]): unknown {
  return sessionV1.ListHoldsResponse.toJSON({ holds: [...found], nextPageToken: '' });
}

async function list(work: Work): Promise<void> {
  const { timeZone } = await work.installation();
  const found = await holds(work);
  work.print(toJson(found), () => text(found, timeZone));
}

async function watch(work: Work): Promise<void> {
  const { timeZone } = await work.installation();
  return watchList(work, {
    read: () => holds(work),
    keyOf: (h) => h.name,
    toJson,
    text: (found) => text(found, timeZone),
    line: (h, what) => {
      const whose = oneLine(`${lastPart(h.name)} of ${h.user}`);
      if (what === 'gone') return `${whose} is over`;
      return oneLine(`${whose} until ${timeIn(h.expiresAt, timeZone)} (${timeZone}), ${stateOf(h)}: ${h.reason}`);
    },
  });
}

function text(found: readonly sessionV1.Hold[], zone: string): string {
  return table(
    ['hold', 'user', 'reason', `until (${zone})`, 'asked', 'state', 'session'],
    found.map((h) => [
      lastPart(h.name),
      h.user,
      h.reason,
      timeIn(h.expiresAt, zone),
      timeIn(h.createTime, zone),
      stateOf(h),
      h.session,
    ]),
    'no holds',
  );
}

function stateOf({ awaitsApproval, approvedBy }: sessionV1.Hold): string {
  if (awaitsApproval) return 'waits for approval';
  return approvedBy === '' ? 'counts' : `counts, approved by ${approvedBy}`;
}

async function nameOf(work: Work, hold: string): Promise<string> {
  return `${(await work.installation()).name}/holds/${lastPart(hold)}`;
}

async function release(work: Work, { reason }: { reason: string }, hold: string): Promise<void> {
  await work.services.session.releaseHold({ name: await nameOf(work, hold), reason });
  work.print({}, () => `released ${lastPart(hold)}\n`);
}

async function approve(work: Work, _: object, hold: string): Promise<void> {
  const answer = await work.services.session.approveHold({ name: await nameOf(work, hold) });
  const { timeZone } = await work.installation();
  const found = answer.hold ?? sessionV1.Hold.create();
  work.print(sessionV1.ApproveHoldResponse.toJSON(answer), () => text([found], timeZone));
}
