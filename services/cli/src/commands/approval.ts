import { approvalV1 } from '@lastcall/contracts';
import { CallError, CODE } from '@lastcall/sdk';
import { allPages } from '../connect.js';
import type { Cli, SharedOptions } from '../define.js';
import { OperationFailed } from '../failures.js';
import { fields, oneLine, table } from '../render/text.js';
import { time, timeIn } from '../render/time.js';
import { lastPart } from '../render/words.js';
import type { Work } from '../work.js';

/*
 * Actions that wait for a second person. Each service keeps its own; here they are one list. `-i -` is what concerns all installations: the
 * catalog's keys.
 */

export function addApproval(cli: Cli): void {
  const noun = cli.noun('approval', 'Actions that wait for a second person');
  cli.define(
    noun,
    {
      use: 'list',
      does: 'Lists what waits, newest first, and what became of the rest; with -i - what concerns all installations: keys',
      example: 'lastcall approval list',
      installation: true,
    },
    list,
  );
  cli.define(
    noun,
    {
      use: 'approve <approval>',
      does: 'Agrees to what somebody else has asked for: it is done at once, to the letter, and once',
      example: 'lastcall approval approve ap-4f2',
      installation: true,
    },
    approve,
  );
  cli.define<{ reason: string }>(
    noun,
    {
      use: 'refuse <approval>',
      does: 'Says no, or takes back what you have asked for',
      example: 'lastcall approval refuse ap-4f2 --reason "Not before the weekend."',
      installation: true,
      options: (command) => command.requiredOption('--reason <text>', 'why, for whoever asked'),
    },
    refuse,
  );
}

const ALL = '-';

interface Keeper {
  listApprovals(request: { parent: string; pageSize: number; pageToken: string }): Promise<{
    readonly approvals: readonly approvalV1.Approval[];
    readonly nextPageToken: string;
  }>;
  grantApproval(request: { name: string }): Promise<{ approval?: approvalV1.Approval | undefined }>;
  refuseApproval(request: { name: string; reason: string }): Promise<{ approval?: approvalV1.Approval | undefined }>;
}

interface Place {
  readonly name: string;
  readonly timeZone: string;
  readonly keepers: readonly Keeper[];
}

async function placeOf(work: Work, { installation }: SharedOptions): Promise<Place> {
  const { session, preflight, catalog } = work.services;
  if (installation === ALL) return { name: `installations/${ALL}`, timeZone: 'UTC', keepers: [catalog] };
  const { name, timeZone } = await work.installation();
  return { name, timeZone, keepers: [session, preflight, catalog] };
}

const State = approvalV1.ApprovalState;

function stateWord(state: approvalV1.ApprovalState): string {
  return approvalV1.approvalStateToJSON(state).replace('APPROVAL_STATE_', '').toLowerCase().replaceAll('_', ' ');
}

async function list(work: Work, options: SharedOptions): Promise<void> {
  const { name: parent, timeZone, keepers } = await placeOf(work, options);
  const lists = keepers.map((keeper) =>
    allPages(async (pageToken) => {
      const page = await keeper.listApprovals({ parent, pageSize: 0, pageToken });
      return { items: page.approvals, next: page.nextPageToken };
    }),
  );
  const at = ({ createTime }: approvalV1.Approval): number => createTime?.getTime() ?? 0;
  const approvals = (await Promise.all(lists)).flat().toSorted((a, b) => at(b) - at(a));
  work.print({ approvals: approvals.map((a) => approvalV1.Approval.toJSON(a)), nextPageToken: '' }, () =>
    table(
      ['approval', 'action', 'what', 'by', `until (${timeZone})`, 'state', 'second person', 'reason'],
      approvals.map((a) => [
        lastPart(a.name),
        a.action,
        `${lastPart(a.method)} ${a.request}`,
        a.requestedBy,
        timeIn(a.expireTime, timeZone),
        stateWord(a.state),
        a.decidedBy,
        a.outcome || a.reason,
      ]),
      'nothing waits for a second person',
    ),
  );
}

/** By the one service that knows it. */
async function decide(
  work: Work,
  { name: parent, timeZone, keepers }: Place,
  id: string,
  call: (keeper: Keeper, name: string) => Promise<{ approval?: approvalV1.Approval | undefined }>,
): Promise<approvalV1.Approval> {
  const name = `${parent}/approvals/${lastPart(id)}`;
  let unknown: unknown;
  for (const keeper of keepers) {
    try {
      const { approval = approvalV1.Approval.create() } = await call(keeper, name);
      print(work, timeZone, approval);
      return approval;
    } catch (error) {
      if (!(error instanceof CallError) || error.code !== CODE.notFound) throw error;
      unknown = error;
    }
  }
  throw unknown;
}

async function approve(work: Work, options: SharedOptions, id: string): Promise<void> {
  const place = await placeOf(work, options);
  const { state, outcome } = await decide(work, place, id, (keeper, name) => keeper.grantApproval({ name }));
  if (state !== State.CARRIED_OUT) throw new OperationFailed(`it was not done: ${oneLine(outcome)}`);
}

async function refuse(work: Work, options: SharedOptions & { reason: string }, id: string): Promise<void> {
  const place = await placeOf(work, options);
  await decide(work, place, id, (keeper, name) => keeper.refuseApproval({ name, reason: options.reason }));
}

function print(work: Work, timeZone: string, approval: approvalV1.Approval): void {
  work.print(approvalV1.Approval.toJSON(approval), () =>
    fields([
      ['Approval', lastPart(approval.name)],
      ['State', stateWord(approval.state)],
      ['What', `${lastPart(approval.method)} ${approval.request}`],
      ['Asked by', approval.requestedBy],
      ['Reason', approval.reason],
      ['Decided by', approval.decidedBy],
      ['At', time(approval.decideTime, timeZone)],
      ['Outcome', approval.outcome],
    ]),
  );
}
