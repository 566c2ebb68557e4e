import { atToDate, formatName, type schedulerV1, type Principal } from '@lastcall/contracts';
import type { ServiceContext } from '@lastcall/runtime';
import type { Caution } from './advice.js';

/*
 * Who has confirmed which caution, and what they read: kept with the job, handed on to its runs, and in the audit trail before the job
 * is saved.
 */

export interface Confirmation {
  readonly caution: string;
  readonly text: string;
  readonly by: string;
  readonly at: number;
}

export interface Confirmed {
  /** What speaks against the job; all of it was confirmed, now or before. */
  readonly cautions: readonly Caution[];
  /** Names that were given with this call. */
  readonly now: readonly string[];
  readonly before: readonly Confirmation[] | undefined;
  readonly by: string;
  readonly at: number;
}

/** What is given with a call counts as read in its present words; what is not stays as it was confirmed. */
export function confirmationsOf({ cautions, now, before = [], by, at }: Confirmed): readonly Confirmation[] {
  return cautions.flatMap(({ caution, text }) => {
    const known = before.find((one) => one.caution === caution);
    return now.includes(caution) ? [{ caution, text, by, at }] : known ? [known] : [];
  });
}

const SERVICE = '/lastcall.scheduler.v1.SchedulerService';
const MAX_CHARS = 4_000;

/** Beside the record of the call, which cannot know what it was going to meet. */
export async function auditConfirmations(
  context: Pick<ServiceContext<object>, 'audit'>,
  method: 'CreateJob' | 'UpdateJob' | 'EnableJob' | 'ApproveJob' | 'StartJob',
  { installation, job }: { installation: string; job: string },
  principal: Principal | undefined,
  confirmations: readonly Confirmation[],
): Promise<void> {
  if (confirmations.length === 0) return;
  const actor = principal?.subject ?? '';
  const read = confirmations.map(({ caution, text }) => `${caution}: ${text}`).join('. ');
  const reason = `confirmed ${read}`.slice(0, MAX_CHARS);
  await context.audit({
    actor,
    method: `${SERVICE}/${method}`,
    resource: formatName('job', { installation, job }),
    reason,
  });
}

export function confirmationToWire({ caution, text, by, at }: Confirmation): schedulerV1.Confirmation {
  return { caution, text: text.slice(0, 1_000), confirmedBy: by, confirmTime: atToDate(at) };
}
