import { preflightV1 } from '@lastcall/contracts';
import type { Command } from 'commander';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Cli } from '../define.js';
import { OperationFailed, UsageError } from '../failures.js';
import { repeatable } from '../option-values.js';
import { instantOf, timeIn } from '../render/time.js';
import type { Work } from '../work.js';

/*
 * Backups of other tools: what speaks for one is looked at here, where the tool runs, and recorded.
 */

interface ReportOptions {
  readonly takenAt?: string;
  readonly proofFile?: string;
  readonly sha256?: string;
  readonly command?: string[];
}

const COMMAND_TIMEOUT_MS = 60 * 60_000;
const OUTPUT_CHARS = 1_000;
type Evidence = NonNullable<preflightV1.BackupProof['evidence']>;

export function addBackupReport(cli: Cli, noun: Command): void {
  cli.define<ReportOptions>(
    noun,
    {
      use: 'report',
      does: 'Records a backup that a tool of your own has made, with a proof; it counts for jobs whose backup is made elsewhere',
      example: 'lastcall backup report --taken-at 2026-12-24T22:00 --proof-file /backup/encore-full.bak',
      installation: true,
      options: (command) =>
        command
          .option('--taken-at <time>', "when it was finished: in the installation's zone, or with Z or an offset")
          .option('--proof-file <path>', 'a file that the tool has written; it is read and its hash recorded')
          .option('--sha256 <hash>', 'the hash that the tool has said, 64 hexadecimal digits')
          .addOption(
            repeatable('--command <word>', 'a command that looks at the backup and ends with 0, word by word'),
          ),
    },
    report,
  );
}

async function report(work: Work, options: ReportOptions): Promise<void> {
  const { name: parent, timeZone } = await work.installation();
  const takenAt = takenAtOf(options.takenAt, timeZone);
  const proof = { evidence: await evidenceOf(options), reportedBy: '', reportTime: undefined };
  const { backup } = await work.services.preflight.reportBackup({ parent, takenAt, proof, sizeBytes: 0n });
  const done = backup ?? preflightV1.Backup.create();
  work.print(preflightV1.Backup.toJSON(done), () => {
    return `${done.restorePoint}: recorded as taken ${timeIn(done.takenAt, timeZone)} (${timeZone})\n`;
  });
}

function takenAtOf(text: string | undefined, zone: string): Date {
  if (text === undefined) throw new UsageError('--taken-at is missing: say when the backup was finished');
  const at = instantOf(text, zone);
  if (at) return at;
  throw new UsageError(`--taken-at is ${JSON.stringify(text)}; write 2026-12-24T22:00 or 2026-12-24T22:00:00Z`);
}

async function evidenceOf({ proofFile, sha256, command }: ReportOptions): Promise<Evidence> {
  const given = [proofFile, sha256, command].filter((option) => option !== undefined);
  if (given.length !== 1) throw new UsageError('give one of --proof-file, --sha256 and --command as proof');
  if (proofFile !== undefined) return fileEvidence(proofFile);
  if (command !== undefined) return commandEvidence(command);
  return { $case: 'sha256', value: (sha256 ?? '').toLowerCase() };
}

async function fileEvidence(path: string): Promise<Evidence> {
  const { size } = await stat(path).catch((error: Error) => {
    throw new UsageError(`--proof-file ${path} cannot be read: ${error.message}`);
  });
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return { $case: 'file', value: { path, sizeBytes: BigInt(size), sha256: hash.digest('hex') } };
}

async function commandEvidence([program = '', ...words]: readonly string[]): Promise<Evidence> {
  const text = [program, ...words].join(' ');
  try {
    const { stdout } = await promisify(execFile)(program, words, { timeout: COMMAND_TIMEOUT_MS });
    return { $case: 'command', value: { command: text, output: stdout.trim().slice(-OUTPUT_CHARS) } };
  } catch (error) {
    throw new OperationFailed(
      `${text}: ${(error as Error).message}; a backup that its own tool does not accept is not recorded`,
    );
  }
}
