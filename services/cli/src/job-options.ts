import type { schedulerV1 } from '@lastcall/contracts';
import { backupMode, jobType } from '@lastcall/contracts';
import { MINUTE_MS, type BackupMode, type JobType } from '@lastcall/kernel';
import type { Command } from 'commander';
import { UsageError } from './failures.js';
import { choice, durationOption, repeatable, spanOption, wholeOption } from './option-values.js';
import { localTime } from './render/time.js';
import { toCron } from './series-words.js';

/* The fields of a job as options; `job create`, `job edit` and `update now` share them. */

export interface JobOptions {
  readonly title?: string;
  readonly type?: JobType;
  readonly at?: string;
  readonly in?: string;
  readonly every?: string;
  readonly now?: boolean;
  readonly whenIdle?: string;
  readonly from?: string;
  readonly until?: string;
  readonly version?: string;
  readonly serviceHost?: string;
  readonly maxRunTime?: string;
  readonly followUp?: string;
  readonly remarks?: string;
  readonly reactionTime?: string;
  readonly message?: string;
  readonly backup?: BackupMode;
  readonly late?: string;
  readonly holds?: boolean;
  readonly latestStart?: string;
  readonly windowEnd?: string;
  readonly closedFor?: string;
  readonly command?: string;
  readonly on?: string[];
  readonly retries?: string;
  readonly retryPause?: string;
  readonly label?: string[];
  readonly excludeHost?: string[];
  readonly keep?: string;
  readonly confirm?: string[];
}

export function startOptions(command: Command): Command {
  return command
    .option('--at <local time>', "date and time in the installation's zone, such as 2026-12-24T22:00")
    .option('--in <span>', 'the time so far from now, such as 30s or 2h')
    .option('--now', 'immediately')
    .addOption(repeatable('--confirm <caution>', 'a caution that you have read and accept; several times'));
}

export function jobOptions(command: Command): Command {
  return startOptions(command)
    .option(
      '--every <series>',
      'again and again: "daily 22:00", "second sunday 03:00", "last day 22:00", or five fields of cron',
    )
    .option('--when-idle <span>', 'once nobody has been logged in for so long (1m to 4h), between --from and --until')
    .option('--from <local time>', 'when the window of --when-idle opens (default: now)')
    .option('--until <local time>', 'when the window of --when-idle closes')
    .option('--title <text>', 'title')
    .option('--version <version>', 'version to install (default: the newest that may be taken)')
    .option('--service-host <host>', 'host that executes a backup (default: the server)')
    .option('--max-run-time <span>', 'when it must have ended, such as 2h')
    .option('--follow-up <job>', 'job to start when a run of this one does not succeed')
    .option('--remarks <text>', 'remarks')
    .option('--reaction-time <span>', "from the notice to the logoff (default: the installation's)")
    .option('--message <text>', 'text for users')
    .addOption(choice('--backup <mode>', 'where the backup of an update comes from', ['take', 'made-elsewhere']))
    .option('--late <span>', 'how late it may still begin (default: 15m)')
    .option('--latest-start <time of day>', 'the first such time after its own is the latest to begin, such as 23:30')
    .option('--window-end <time of day>', 'the first such time after its own is by when it must be over, such as 04:00')
    .option(
      '--closed-for <span>',
      'how long a maintenance window keeps the gate shut once everybody is logged off, such as 2h',
    )
    .option('--command <action>', 'what a run-command runs: an action of the installed release')
    .addOption(repeatable('--on <host>', 'a host to run it on (default: all of its role); several times, "" for all'))
    .option('--retries <n>', 'how often a run that failed before its install is tried again, 0 to 5 (default: 0)')
    .option('--retry-pause <span>', 'from the end of such a run to the next try (default: 5m)')
    .addOption(repeatable('--label <key=value>', 'a word of your own; several times, "" for none'))
    .addOption(repeatable('--exclude-host <host>', 'a host that follows later; several times, "" for none'))
    .option('--keep <number>', 'restore points of a backup job that stay, 1 to 1000, 0: with all others (default)')
    .option('--holds', 'users may put holds on it');
}

/** `at`, `in`, `every` and `now` as a start condition; undefined when none was given. */
export function startCondition(options: JobOptions, zone: string): schedulerV1.StartCondition | undefined {
  const { at, in: span, every, now, whenIdle } = options;
  const given = [at, span, every, now, whenIdle].filter((value) => value !== undefined);
  if (given.length > 1) throw new UsageError('--at, --in, --every, --when-idle and --now exclude each other');
  if (whenIdle !== undefined) return idleStart(options, whenIdle, zone);
  if (options.from !== undefined || options.until !== undefined)
    throw new UsageError('--from and --until are for --when-idle');
  if (options.now) return { condition: { $case: 'immediate', value: {} } };
  if (options.every !== undefined) return { condition: { $case: 'series', value: { cron: toCron(options.every) } } };
  const local = options.in === undefined ? options.at : timeFromNow(options.in, zone);
  return local === undefined
    ? undefined
    : { condition: { $case: 'time', value: { localTime: local.replace(' ', 'T') } } };
}

function idleStart({ from, until }: JobOptions, whenIdle: string, zone: string): schedulerV1.StartCondition {
  if (until === undefined) throw new UsageError('--when-idle needs --until: the local time at which its window closes');
  const windowOpens = from?.replace(' ', 'T') ?? localTime(new Date(), zone);
  const idleMinutes = Math.ceil(spanOption('--when-idle', whenIdle) / MINUTE_MS);
  const value = { idleMinutes, windowOpens, windowCloses: until.replace(' ', 'T') };
  return { condition: { $case: 'whenIdle', value } };
}

function timeFromNow(text: string, zone: string): string {
  return localTime(new Date(Date.now() + spanOption('--in', text)), zone);
}

/** `ticket=chg-4711` and so on; an empty text stands for none. */
export function labelsOption(given: readonly string[]): Record<string, string> {
  const pairs = given.filter((text) => text !== '').map((text) => /^([^=]+)=(.*)$/s.exec(text) ?? text);
  const wrong = pairs.find((pair) => typeof pair === 'string');
  if (wrong !== undefined) throw new UsageError(`--label is ${JSON.stringify(wrong)}; write key=value`);
  return Object.fromEntries(pairs.map(([, key = '', value = '']) => [key, value]));
}

/** What was given, by the names of the generated code. */
export function givenFields(options: JobOptions, zone: string): Partial<schedulerV1.Job> {
  const start = startCondition(options, zone);
  const { title, version, serviceHost, followUp, remarks, message, holds, latestStart, windowEnd } = options;
  return {
    ...(start && { start }),
    ...(title !== undefined && { title }),
    ...(version !== undefined && { version }),
    ...(serviceHost !== undefined && { serviceHost }),
    ...(followUp !== undefined && { followUpJob: followUp }),
    ...(remarks !== undefined && { remarks }),
    ...(message !== undefined && { message }),
    ...(holds !== undefined && { holdsAllowed: holds }),
    ...(latestStart !== undefined && { latestStart }),
    ...(windowEnd !== undefined && { windowEnd }),
    ...(options.command !== undefined && { command: options.command }),
    ...(options.on && { commandHosts: options.on.filter((host) => host !== '') }),
    ...(options.retries !== undefined && { retries: wholeOption('--retries', options.retries, 0, 5) ?? 0 }),
    ...(options.retryPause !== undefined && { retryPause: durationOption('--retry-pause', options.retryPause) }),
    ...(options.label && { labels: labelsOption(options.label) }),
    ...(options.excludeHost && { excludedHosts: options.excludeHost.filter((host) => host !== '') }),
    ...(options.keep !== undefined && { backupKeep: wholeOption('--keep', options.keep, 0, 1_000) ?? 0 }),
    ...(options.type && { type: jobType.toWire(options.type) }),
    ...(options.backup && { backupMode: backupMode.toWire(options.backup) }),
    ...(options.maxRunTime !== undefined && { maxRunTime: durationOption('--max-run-time', options.maxRunTime) }),
    ...(options.reactionTime !== undefined && {
      reactionTime: durationOption('--reaction-time', options.reactionTime),
    }),
    ...(options.closedFor !== undefined && { closedFor: durationOption('--closed-for', options.closedFor) }),
    ...(options.late !== undefined && { runIfLateWithin: durationOption('--late', options.late) }),
  };
}
