import { EXIT } from '@lastcall/contracts';
import { CommanderError } from 'commander';
import { addApproval } from './commands/approval.js';
import { addAudit } from './commands/audit.js';
import { addBackup } from './commands/backup.js';
import { addCluster } from './commands/cluster.js';
import { addComplete } from './commands/complete.js';
import { addDeadletter } from './commands/deadletter.js';
import { addDoctor } from './commands/doctor.js';
import { addGate } from './commands/gate.js';
import { addHold } from './commands/hold.js';
import { addHost } from './commands/host.js';
import { addInstallation } from './commands/installation.js';
import { addJob } from './commands/job.js';
import { addKeys } from './commands/keys.js';
import { addLogin } from './commands/login.js';
import { addMirror } from './commands/mirror.js';
import { addNotification } from './commands/notification.js';
import { addPreflight } from './commands/preflight.js';
import { addRelease } from './commands/release.js';
import { addRun } from './commands/run.js';
import { addSession } from './commands/session.js';
import { addState } from './commands/state.js';
import { addToken } from './commands/token.js';
import { addUp } from './commands/up.js';
import { addUpdate } from './commands/update.js';
import { addWave } from './commands/wave.js';
import { createCli, type Cli } from './define.js';
import { tell } from './failures.js';
import type { Io } from './io.js';

/* `lastcall` as a whole: a noun each, one file each. */

export interface Program {
  /** Answers the exit code; never rejects. */
  run(args: readonly string[]): Promise<number>;
}

const NOUNS = [
  addUp,
  addState,
  addCluster,
  addRelease,
  addMirror,
  addWave,
  addInstallation,
  addHost,
  addJob,
  addRun,
  addNotification,
  addUpdate,
  addPreflight,
  addBackup,
  addSession,
  addGate,
  addHold,
  addApproval,
  addKeys,
  addLogin,
  addToken,
  addAudit,
  addDoctor,
  addDeadletter,
  // Last: completion knows the commands before it.
  addComplete,
];

/** Every command, as `createProgram` runs it. */
export function createCommands(io: Io): Cli {
  const cli = createCli(io);
  for (const add of NOUNS) add(cli);
  return cli;
}

export function createProgram(io: Io): Program {
  const cli = createCommands(io);
  return {
    run: async (args) => {
      try {
        await cli.program.parseAsync(args, { from: 'user' });
        return cli.exitCode;
      } catch (error) {
        // Commander has said what is wrong with the command line, or has shown the help that was asked for.
        if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
        const { exitCode, text } = tell(error, 'lastcall');
        io.err.write(text);
        return exitCode;
      }
    },
  };
}
