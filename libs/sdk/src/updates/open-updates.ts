import { CallError, CODE } from '../call-error.js';
import { reportTo } from '../session/session-problem.js';
import { connectToAgent } from './agent-socket.js';
import type { Said, SeatProgram } from './conversation.js';
import { findProgram, isSingleSeat, startSeatProgram } from './seat-program.js';
import type {
  BeginUpdate,
  SeatUpdateCheck,
  UpdateProgress,
  Updates,
  UpdatesOptions,
  UpdateState,
} from './updates-api.js';

/**
 * The updates of this computer. Where it is a seat of its own: what is new, backup and download with pause and resume, the restart, and the way back;
 * needs no server, the agent program beside the application does the work (`lastcall-agent seat init` sets it up). Where it is a host of an
 * installation, its agent is asked to bring it to the version of that installation, and to no other.
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
    if (!program?.isOpen) program = reach(options, folder, onSaid);
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

/** A host of an installation has an agent that runs; a seat of its own starts one when it is needed. */
function reach({ program }: UpdatesOptions, folder: string, onSaid: (said: Said) => void): SeatProgram {
  if (!program && !isSingleSeat(folder)) return connectToAgent(folder, onSaid);
  return startSeatProgram(program ?? findProgram(folder), folder, onSaid);
}
