import { parseArgs } from 'node:util';
import { runBenchmark, type Bench } from './benchmark.js';
import { startLastcall } from './lastcall.js';
import { measureBackups } from './preflight-backup.js';
import { measureReports } from './preflight-report.js';

/*
 * bench:preflight: how long 200 hosts take from the question to the verdict, through the real services; and how fast the agent makes a restore point of what a backup
 * command has written, beside tar and zstd on the same files.
 */

const { values: options } = parseArgs({
  options: {
    hosts: { type: 'string', default: '200' },
    reports: { type: 'string', default: '5' },
    megabytes: { type: 'string', default: '1000' },
    rounds: { type: 'string', default: '3' },
  },
});

async function measure(bench: Bench): Promise<object> {
  const lastcall = await startLastcall(bench, { name: 'lastcall' });
  const reports = await measureReports(bench, lastcall, Number(options.hosts), Number(options.reports));
  const bytes = Number(options.megabytes) * 1e6;
  const backups = await measureBackups(bench, lastcall, bytes, Number(options.rounds));
  return {
    ...{ reports: reports.figures, backups: backups.figures },
    goals: { ...reports.goals, ...backups.goals },
  };
}

void runBenchmark('bench:preflight', measure);
