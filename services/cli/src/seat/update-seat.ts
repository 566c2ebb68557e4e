import { CallError, CODE, openUpdates, type UpdateProgress, type Updates, type UpdateState } from '@lastcall/sdk';
import { askChoice, confirmOr } from '../ask.js';
import { OperationFailed, UsageError } from '../failures.js';
import { meter } from '../render/progress.js';
import type { Work } from '../work.js';
import { checkText, lastUpdate, problemText, progressText, standing } from './seat-text.js';

/*
 * `lastcall update` for the computer that somebody sits at: a seat of its own, or a host that is brought to the version of its installation.
 * Driven through the SDK as an application would. Ctrl-C pauses, where that is possible; the same command again goes on where it stands.
 */

export interface SeatUpdateOptions {
  readonly version?: string;
  readonly yes?: boolean;
  readonly skipBackup?: string;
  readonly restart?: When;
}

export type When = 'now' | 'next-start' | 'later';

/** Folder of the seat that is meant; undefined: the update of an installation. */
export function seatFolder(work: Work, seat: string | undefined): string | undefined {
  return seat ?? (work.io.env['LASTCALL_SEAT'] || undefined);
}

export async function checkSeat(work: Work, folder: string): Promise<void> {
  await withUpdates(work, folder, async (updates) => {
    const found = await updates.check();
    work.print({ ...found, state: updates.state }, () => checkText(found, updates.state));
  });
}

export async function updateSeat(work: Work, folder: string, options: SeatUpdateOptions): Promise<number | void> {
  return withUpdates(work, folder, async (updates) => {
    let state = await updates.refresh();
    if (state.phase === 'resting') {
      const begun = await begin(work, updates, options);
      if (!begun) return undefined;
      state = begun;
    } else if (state.phase !== 'ready') {
      work.note(`going on: ${standing(state)}`);
      state = await updates.resume();
    }
    if (state.phase === 'ready') state = await updates.restart(await when(work, state, options));
    return conclude(work, state);
  });
}

async function withUpdates<T>(work: Work, folder: string, use: (updates: Updates) => Promise<T>): Promise<T> {
  const screen = createScreen(work);
  const { onState, onProgress } = screen;
  const updates = openUpdates({ folder, env: work.io.env, onState, onProgress });
  // An install goes on to its end whatever is pressed.
  void work.io.stopped().then(() => updates.pause().catch(() => work.note('this cannot be paused; it goes on')));
  try {
    return await use(updates);
  } finally {
    screen.end();
    await updates.close();
  }
}

/** Undefined: there is nothing newer. */
async function begin(work: Work, updates: Updates, options: SeatUpdateOptions): Promise<UpdateState | undefined> {
  const { version, skipBackup } = options;
  const found = await updates.check();
  const wanted = version ?? found.release?.version;
  if (wanted === undefined) {
    work.print(found, () => `Nothing to update: ${found.reason || 'nothing is newer'}\n`);
    return undefined;
  }
  if (!options.yes) {
    const question = questionOf(wanted, found.installedVersion, updates.state?.follows, skipBackup);
    if (!(await confirmOr(work, question, '--yes'))) throw new UsageError('not confirmed; nothing was changed');
  }
  return updates.begin({ version: wanted, skipBackup });
}

function questionOf(wanted: string, now: string, follows: string | undefined, skipBackup: string | undefined): string {
  if (follows !== undefined) {
    return `Stop the application here, and start it again on ${wanted}, the version of ${follows} (now ${now || 'none'})?`;
  }
  const backup = skipBackup === undefined ? 'Back up, and download' : 'Download, without a backup,';
  return `${backup} ${wanted} (now ${now})?`;
}

async function when(work: Work, { update }: UpdateState, { restart, yes }: SeatUpdateOptions): Promise<When> {
  if (restart) return restart;
  if (yes || !work.io.isTerminal) return yes ? 'now' : 'later';
  return askChoice(`${update?.version} is ready`, [
    { value: 'now', name: 'restart now' },
    { value: 'next-start', name: 'at the next start of the application' },
    { value: 'later', name: 'later' },
  ]);
}

function conclude(work: Work, state: UpdateState): number | void {
  const ended = state.phase === 'resting' && state.last?.result === 'updated';
  if (ended || state.phase === 'ready') {
    if (state.problem) throw new OperationFailed(problemText(state));
    return work.print(state, () => `${ended ? lastUpdate(state) : standing(state)}\n`);
  }
  if (state.problem?.reason === 'CATALOG_NOT_REACHABLE') {
    throw new CallError(CODE.unavailable, problemText(state), { reason: state.problem.reason });
  }
  if (work.json) work.print(state, () => '');
  throw new OperationFailed(problemText(state) || `the update ended: ${state.phase}`);
}

/** A line that changes on a terminal; one line a phase elsewhere. */
function createScreen(work: Work) {
  const live = work.io.isTerminal && !work.json;
  let phase: UpdateState['phase'] = 'resting';
  let drawn = false;
  const end = (): void => {
    if (drawn) work.io.out.write('\n');
    drawn = false;
  };
  return {
    end,
    onState: ({ phase: now, update }: UpdateState): void => {
      if (now === phase) return;
      phase = now;
      end();
      if (update && WORDS[now]) work.note(`${WORDS[now]} ${update.version}`);
    },
    onProgress: (progress: UpdateProgress): void => {
      if (!live) return;
      const { done = 0, total = 0 } = progress;
      const bar = total > 0 ? `${meter(done, total, 20)} ` : '';
      work.io.out.write(`\r\u001b[2K  ${bar}${progressText(progress)}`);
      drawn = true;
    },
  };
}

const WORDS: Readonly<Partial<Record<UpdateState['phase'], string>>> = {
  'backing-up': 'backing up before',
  downloading: 'downloading',
  paused: 'paused',
  saving: 'backing up once more, for the restart into',
  installing: 'installing',
  'going-back': 'going back from',
};
