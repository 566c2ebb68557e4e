import { commonV1, type schedulerV1 } from '@lastcall/contracts';
import { CallError, CODE } from '@lastcall/sdk';
import { setTimeout as delay } from 'node:timers/promises';
import { allOn, remainsOf, unfairness } from '../world/remains.js';
import { CAUTIONS, runOf, startUpdate } from '../world/services.js';
import type { Place } from '../world/world.js';

/*
 * One update after the other on three hosts with users, while everything is disturbed: each run has to succeed, leave every host on the new version,
 * and log nobody off without a notice.
 */

export interface Updates {
  /** Runs that have ended so far. */
  readonly ended: number;
  /** Resolves when a run is in that phase. A short one may be over before it is seen: then it is waited for in the next run. */
  reaches(phase: Phase, timeoutMs: number): Promise<void>;
  /** Resolves when a run that began from now on has ended. */
  oneMore(timeoutMs: number): Promise<void>;
  findings(): UpdatesFindings;
  /** Ends after the run that is under way. */
  stop(): Promise<void>;
}

/** Of a run, as the contracts name them, that are long enough to be met. */
export const PHASES = ['preflight', 'staging', 'draining', 'backing-up', 'installing', 'reopening'] as const;
export type Phase = (typeof PHASES)[number];

export interface UpdatesFindings {
  readonly runs: number;
  readonly slowestMs: number;
  /** What was wrong with which run. */
  readonly broken: readonly string[];
  /** Times that a question or a call had to be repeated because a service was away. */
  readonly repeated: number;
}

const RUN_PATIENCE_MS = 180_000;
const REPEAT_FOR_MS = 60_000;
const PHASE_EVERY_MS = 20;

export function updateOnAndOn(place: Place): Updates {
  const broken: string[] = [];
  let runs = 0;
  let slowestMs = 0;
  let repeated = 0;
  let over = false;

  /** A service that is away for a moment is nothing new to an operator's tool: it asks again. */
  const repeatedly: Repeatedly = async (work) => {
    for (const end = Date.now() + REPEAT_FOR_MS; ; await delay(500)) {
      try {
        return await work();
      } catch (error) {
        if (Date.now() > end) throw error;
        repeated++;
      }
    }
  };

  const updateTo = async (version: string): Promise<void> => {
    const from = place.users.map(({ log }) => log.length);
    const began = Date.now();
    await repeatedly(() => place.publish({ version }));
    const job = `to-${version.replaceAll('.', '-')}`;
    await repeatedly(() => startOnce(place, job, version));
    const run = await runOf(place.services, job, RUN_PATIENCE_MS, place.parent);
    const wrong = await wrongWith(place, run, version, repeatedly);
    wrong.push(...place.users.flatMap((user, i) => unfairness(user, from[i] ?? 0)));
    broken.push(...wrong.map((what) => `${version}: ${what}`));
    slowestMs = Math.max(slowestMs, Date.now() - began);
    runs++;
  };
  const all = async (): Promise<void> => {
    for (let minor = 1; !over; minor++) {
      await updateTo(`1.${minor}.0`).catch((error: unknown) => {
        broken.push(`1.${minor}.0: ${error instanceof Error ? error.message : String(error)}`);
      });
    }
  };
  const updating = all();
  return {
    get ended() {
      return runs;
    },
    reaches: async (phase, timeoutMs) => {
      const request = { parent: place.parent, pageSize: 1, pageToken: '', job: '' };
      for (const end = Date.now() + timeoutMs; ; await delay(PHASE_EVERY_MS)) {
        const { runs: newest } = await repeatedly(() => place.services.scheduler.listRuns(request));
        if (newest[0]?.phase === phase) return;
        if (Date.now() > end) throw new Error(`no run was seen in the phase ${phase} within ${timeoutMs} ms`);
      }
    },
    oneMore: async (timeoutMs) => {
      // The one that is under way began before.
      const wanted = runs + 2;
      for (const end = Date.now() + timeoutMs; runs < wanted; await delay(200)) {
        if (Date.now() > end) throw new Error(`no run ended within ${timeoutMs} ms; ${broken.join('; ')}`);
      }
    },
    findings: () => ({ runs, slowestMs, broken, repeated }),
    stop: async () => {
      over = true;
      await updating;
    },
  };
}

/** The job may be there already, and started, when the answer was lost. */
async function startOnce({ services, parent }: Place, job: string, version: string): Promise<void> {
  const { runs } = await services.scheduler.listRuns({ parent, pageSize: 1, pageToken: '', job });
  if (runs.length > 0) return;
  const isThere = (error: unknown): boolean => error instanceof CallError && error.code === CODE.alreadyExists;
  await startUpdate(services, job, version, {}, parent).catch(async (error: unknown) => {
    if (!isThere(error)) throw error;
    await services.scheduler.enableJob({ name: `${parent}/jobs/${job}`, etag: '', confirmedCautions: CAUTIONS });
  });
}

type Repeatedly = <T>(work: () => Promise<T>) => Promise<T>;

async function wrongWith(
  place: Place,
  run: schedulerV1.Run,
  version: string,
  repeatedly: Repeatedly,
): Promise<string[]> {
  if (run.outcome !== commonV1.RunOutcome.SUCCEEDED) {
    return [`ended as ${commonV1.runOutcomeToJSON(run.outcome)}: ${run.failure?.reason} ${run.failure?.message}`];
  }
  await place.everybodyIn(60_000);
  const remained = JSON.stringify(await repeatedly(() => remainsOf(place)));
  const expected = JSON.stringify(allOn(place, version));
  return remained === expected ? [] : [`left ${remained}`];
}
