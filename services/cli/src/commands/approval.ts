import { approvalV1 } from '@lastcall/contracts';
import { CallError, CODE } from '@lastcall/sdk';
import { allPages } from '../connect.js';
import type { Cli } from '../define.js';
import { OperationFailed } from '../failures.js';
import { fields, oneLine, table } from '../render/text.js';
import { time, timeIn } from '../render/time.js';
import { lastPart } from '../render/words.js';
import type { Work } from '../work.js';

/* Actions that wait for a second person. Each service keeps its own; here they are one list. */

export function addApproval(cli: Cli): void {
  const noun = cli.noun('approval', 'Actions that wait for a second person');
  cli.define(
    noun,
    {
      use: 'list',
      does: 'Lists what waits, newest first, and what became of the rest',
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

interface Keeper {
  listApprovals(request: { parent: string; pageSize: number; pageToken: string }): Promise<{
    readonly approvals: readonly approvalV1.Approval[];
    readonly nextPageToken: string;
  }>;
  grantApproval(request: { name: string }): Promise<{ approval?: approvalV1.Approval | undefined }>;
  refuseApproval(request: { name: string; reason: string }): Promise<{ approval?: approvalV1.Approval | undefined }>;
}

function keepers({ services }: Work): readonly Keeper[] {
  return [services.session, services.preflight, services.catalog];
}

const State = approvalV1.ApprovalState;

function stateWord(state: approvalV1.ApprovalState): string {
  return approvalV1.approvalStateToJSON(state).replace('APPROVAL_STATE_', '').toLowerCase().replaceAll('_', ' ');
}

async function list(work: Work): Promise<void> {
  const { name: parent, timeZone } = await work.installation();
  const lists = keepers(work).map((keeper) =>
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
  id: string,
  call: (keeper: Keeper, name: string) => Promise<{ approval?: approvalV1.Approval | undefined }>,
): Promise<approvalV1.Approval> {
  const name = `${(await work.installation()).name}/approvals/${lastPart(id)}`;
  let unknown: unknown;
  for (const keeper of keepers(work)) {
    try {
      return (await call(keeper, name)).approval ?? approvalV1.Approval.create();
    } catch (error) {
      if (!(error instanceof CallError) || error.code !== CODE.notFound) throw error;
      unknown = error;
    }
  }
  throw unknown;
}

async function approve(work: Work, _: object, id: string): Promise<void> {
  const approval = await decide(work, id, (keeper, name) => keeper.grantApproval({ name }));
  await print(work, approval);
  if (approval.state !== State.CARRIED_OUT) throw new OperationFailed(`it was not done: ${oneLine(approval.outcome)}`);
}

async function refuse(work: Work, { reason }: { reason: string }, id: string): Promise<void> {
  await print(work, await decide(work, id, (keeper, name) => keeper.refuseApproval({ name, reason })));
}

async function print(work: Work, approval: approvalV1.Approval): Promise<void> {
  const { timeZone } = await work.installation();
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
