import { localTimeOf } from './calendar.js';
import type { JobDocument, Pause } from './documents.js';
import { skipOf, type JobState } from './domain/job.js';
import type { Jobs, Timing } from './jobs.js';
import { pauseText } from './pauses.js';
import { obstaclesOf, type ReadinessParts } from './readiness.js';
import type { Rehearsals } from './rehearsals.js';

/*
 * When a job runs next, and what would stop it today, in one sentence for people.
 */

interface Parts extends ReadinessParts {
  readonly jobs: Jobs;
  readonly rehearsals: Rehearsals;
}

type Enabled = Extract<JobState, { phase: 'enabled' }>;

export async function explain(
  parts: Parts,
  { installation, job, state }: JobDocument,
  pause: Pause | undefined,
): Promise<string> {
  if (state.phase === 'disabled' && state.because !== undefined) return `Disabled, because ${state.because}.`;
  if (state.phase === 'none' || state.phase === 'disabled') return 'Disabled: it does nothing until it is enabled.';
  if (state.phase === 'waiting') {
    return `Waits for approval: ${state.askedBy} has asked for it, and another person has to agree (lastcall job approve).`;
  }
  if (state.phase === 'done') return 'Done: it has fired for the last time. Edit its time to use it again.';
  const timing = await parts.jobs.timing(installation, state.definition);
  const { obstacles, release } = await obstaclesOf(parts, { installation, job }, state.definition, timing);
  const today = obstacles.filter(({ about }) => about !== 'start' && about !== 'follow-up');
  const silent = today.filter(({ reason }) => reason === 'NOT_CONNECTED').map(({ description }) => description);
  const others = today.filter(({ reason }) => reason !== 'NOT_CONNECTED').map(({ description }) => description);
  const stops = [...(pause ? [pauseText(pause)] : []), ...others];
  const when = whenText(state, timing);
  const rehearsed = await parts.rehearsals.sentence(installation, job, state.dueAt, timing.place.timeZone);
  if (stops.length > 0) return `${when}, and would be skipped today: ${[...stops, ...silent].join('; ')}.${rehearsed}`;
  if (silent.length > 0) return `${when}, and would not pass its preflight now: ${silent.join('; ')}.${rehearsed}`;
  return `${when}${release ? ` and would install ${release.version} today` : ''}.${rehearsed}`;
}

function whenText(state: Enabled, { place: { timeZone }, times }: Timing): string {
  const { start } = state.definition;
  const shown = (at: number): string => localTimeOf(at, timeZone).slice(0, 16).replace('T', ' ');
  if (start.kind === 'when-idle') {
    const [opens, closes] = [start.windowOpens, start.windowCloses].map((local) =>
      local.slice(0, 16).replace('T', ' '),
    );
    const window = `between ${opens} and ${closes} (${timeZone}`;
    return `Runs once nobody has been logged in for ${start.idleMinutes} min ${window}${watchText(state, shown)})`;
  }
  const skip = skipOf(state);
  const later = times.filter((at) => at > state.dueAt).slice(0, 2);
  if (skip) {
    const then = later.length === 0 ? 'and then nothing' : `then runs at ${later.map(shown).join(' and ')}`;
    return `Skips ${shown(skip.at)}, because ${skip.by} said so, ${then} (${timeZone})`;
  }
  const then = later.length === 0 ? '' : `, then ${later.map(shown).join(' and ')}`;
  return `Runs at ${shown(state.dueAt)}${then} (${timeZone})`;
}

function watchText({ watch }: Enabled, shown: (at: number) => string): string {
  if (!watch) return '';
  if (watch.idleSince === undefined) return '; somebody was logged in at the last look';
  return `; nobody has been since ${shown(watch.idleSince)}`;
}
