import { formatName, sessionV1 } from '@lastcall/contracts';
import { RejectedError, type RunSpec } from '@lastcall/kernel';
import type { Duty, ServiceContext } from '@lastcall/runtime';
import { pagesOf } from '@lastcall/store';
import { GATED, specOf, type Documents } from './documents.js';
import type { SchedulerSettings } from './settings.js';

/*
 * Tells the session service that the runs that may have a gate shut are alive, several times a lease. When every scheduler is gone
 * for a whole lease the gate opens by itself, so that nobody is kept out by a run that nobody leads. Any replica may do it; a run
 * whose gate is not shut, or a session service that does not answer, is no trouble of the run's.
 */

const TIMES_A_LEASE = 3;
const PAGE = 100;
const AT_ONCE = 16;
/** Beyond it the next round is due. */
const MAX_CALL_MS = 5_000;

export function createLeaseRenewer(context: ServiceContext<SchedulerSettings>, { runs }: Documents): Duty {
  const everyMs = context.settings.gateLeaseMs / TIMES_A_LEASE;
  const timeoutMs = Math.min(everyMs, MAX_CALL_MS);
  const client = context.client(sessionV1.SessionServiceService);
  const renew = async ({ run, installation, fence }: RunSpec, signal: AbortSignal): Promise<unknown> => {
    try {
      await client.renewGateLease({ name: formatName('gate', { installation }), run, fence }, { timeoutMs, signal });
      return undefined;
    } catch (cause) {
      // Refused: the run does not hold a gate, not yet or not any more.
      return cause instanceof RejectedError ? undefined : cause;
    }
  };
  return {
    name: 'gate-lease-renewer',
    everyMs,
    runOnce: async (signal) => {
      for await (const specs of gatedRuns(runs)) {
        if (signal.aborted) return undefined;
        const failures = await inParallel(specs, (spec) => renew(spec, signal));
        const [err] = failures;
        if (err && !signal.aborted)
          context.log.warn({ err, runs: failures.length }, 'leases of gates were not renewed');
      }
      return undefined;
    },
  };
}

async function* gatedRuns(runs: Documents['runs']): AsyncGenerator<readonly RunSpec[]> {
  for await (const page of pagesOf(runs, { index: GATED, where: { gated: true }, limit: PAGE })) {
    yield page.map(({ data }) => specOf(data.state)).filter((spec) => spec !== undefined);
  }
}

/** What was answered, without the nothings. */
async function inParallel<T>(items: readonly T[], call: (item: T) => Promise<unknown>): Promise<unknown[]> {
  const answers: unknown[] = [];
  const queue = items.values();
  const worker = async (): Promise<void> => {
    for (const item of queue) answers.push(await call(item));
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  return answers.filter((answer) => answer !== undefined);
}
