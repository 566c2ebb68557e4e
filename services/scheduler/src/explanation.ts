import { localTimeOf } from './calendar.js';
import type { JobDocument, Pause } from './documents.js';
import { skipOf, type JobState } from './domain/job.js';
import type { Jobs, Outlook } from './jobs.js';
import { needsHosts, whyNoMaintenance } from './maintenance-windows.js';
import { pauseText } from './pauses.js';
import type { Catalog } from './spec.js';

/*
 * When a job runs next, and what would stop it today, in one sentence for people.
 */

interface Parts {
  readonly jobs: Jobs;
  readonly catalog: Catalog;
}

type Enabled = Extract<JobState, { phase: 'enabled' }>;

export async function explain(
  parts: Parts,
  { installation, state }: JobDocument,
  pause: Pause | undefined,
): Promise<string> {
  if (state.phase === 'disabled' && state.because !== undefined) return `Disabled, because ${state.because}.`;
  if (state.phase === 'none' || state.phase === 'disabled') return 'Disabled: it does nothing until it is enabled.';
  if (state.phase === 'done') return 'Done: it has fired for the last time. Edit its time to use it again.';
  const outlook = await parts.jobs.outlook(installation, state.definition);
  const { place } = outlook;
  const isUpdate = state.definition.type === 'software-update';
  const release = isUpdate ? await parts.catalog.release(installation, state.definition) : undefined;
  const stops = [
    pause && pauseText(pause, place.timeZone),
    whyNoMaintenance(state.definition, place),
    place.hosts.length === 0 && needsHosts(state.definition) ? 'the installation has no hosts' : undefined,
    release && 'reason' in release ? release.reason : undefined,
  ].filter((text) => text !== undefined);
  const when = whenText(state, outlook);
  if (stops.length > 0) return `${when}, and would be skipped today: ${stops.join('; ')}.`;
  return release && 'version' in release ? `${when} and would install ${release.version} today.` : `${when}.`;
}

function whenText(state: Enabled, { place: { timeZone }, times }: Outlook): string {
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
