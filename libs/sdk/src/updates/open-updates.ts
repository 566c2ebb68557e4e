import { CallError, CODE } from '../call-error.js';
import { reportTo } from '../session/session-problem.js';
import { findProgram, startSeatProgram, type Said, type SeatProgram } from './seat-program.js';
import type {
  BeginUpdate,
  SeatUpdateCheck,
  UpdateProgress,
  Updates,
  UpdatesOptions,
  UpdateState,
} from './updates-api.js';

/**
 * The updates of this computer where it is a seat of its own: what is new, backup and download with pause and resume, the restart, and the way back.
 * Needs no server; the agent program beside the application does the work (`lastcall-agent seat init` sets it up).
 */
export function openUpdates(options: UpdatesOptions = {}): Updates {
  const folder = options.folder ?? (options.env ?? process.env)['LASTCALL_SEAT'] ?? '';
  // A callback that throws is the application's own mistake to see.
  const report = reportTo(undefined);
  const tell = <T>(name: string, callback: ((value: T) => void) | undefined, value: T): void => {
    try {
      callback?.(value);
    } catch (error) {
      report('LASTCALL_CALLBACK', `${name} failed`, error);
    }
  };
  let state: UpdateState | undefined;
  let program: SeatProgram | undefined;
  const onSaid = ({ said, ...value }: Said): void => {
    if (said === 'progress') return tell('onProgress', options.onProgress, value as unknown as UpdateProgress);
    if (said !== 'state') return;
    state = value as unknown as UpdateState;
    tell('onState', options.onState, state);
  };
  const ask = async (command: Said): Promise<Said> => {
    // One that ended is started again: what it was doing is on the disk.
    if (!program?.isOpen) program = startSeatProgram(options.program ?? findProgram(folder), folder, onSaid);
    return program.ask(command);
  };
  const change = async (command: Said): Promise<UpdateState> => {
    await ask(command);
    if (state) return state;
    throw new CallError(CODE.internal, 'the agent program said no state');
  };
  return {
    get state() {
      return state;
    },
    refresh: () => change({ do: 'look' }),
    check: async () => {
      const { installedVersion, release, reason, triedBefore } = (await ask({
        do: 'check',
      })) as unknown as SeatUpdateCheck;
      return { installedVersion, release, reason, triedBefore };
    },
    begin: ({ version, skipBackup }: BeginUpdate = {}) => change({ do: 'begin', version, skipBackup }),
    pause: () => change({ do: 'pause' }),
    resume: () => change({ do: 'resume' }),
    restart: (when) => change({ do: 'restart', when }),
    atStart: async () => {
      try {
        const { installed } = await ask({ do: 'at-start' });
        return installed === true ? 'restarted' : 'go-on';
      } catch (error) {
        // Another one works on the seat: it is that which has started this application.
        if (!(error instanceof CallError) || error.reason !== 'DATA_FOLDER_IN_USE') {
          report('LASTCALL_UNREACHABLE', 'updates.atStart', error);
        }
        return 'go-on';
      }
    },
    close: async () => {
      await program?.close();
      program = undefined;
    },
  };
}
