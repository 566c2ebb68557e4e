import type {
  CommandName,
  HttpHealthCheck,
  ManifestAction,
  ManifestCheck,
  ManifestCommand,
  RoleCommands,
} from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostRecord } from '../host-record.js';
import type { Layout } from '../layout.js';
import { messageOf, type Log } from '../log.js';
import type { Release } from '../releases.js';
import { Interrupted, StepFailure, throwIfStopping } from '../step-failure.js';
import { runCommand, type CommandOutcome } from './command-runner.js';
import { commandEnvironment, fillIn } from './environment.js';
import { MARK, markOf } from './left-over.js';

/*
 * The commands of a release on this host: which one, with which environment, and what its end means. A command that is not in the
 * manifest is nothing to do.
 */

export interface CommandTarget {
  readonly release: Release;
  readonly treeDir: string;
  readonly fromVersion: string;
  readonly more?: Readonly<Record<string, string>>;
}

/** Which step of which order a command belongs to. */
export interface CommandScope {
  readonly order: string;
  readonly step: string;
  readonly signal: AbortSignal;
}

export interface ReleaseCommands {
  /** Answers whether there was such a command. Throws a StepFailure when it did not succeed. */
  run(name: Exclude<CommandName, 'health'>, target: CommandTarget, scope: CommandScope): Promise<boolean>;
  /** Runs an action. What it wrote, and how long it took; throws a StepFailure when it did not succeed. */
  act(action: ManifestAction, target: CommandTarget, scope: CommandScope): Promise<CommandOutcome>;
  /** Asks a question of the vendor. How it ended, whatever that was; throws Interrupted. */
  check(check: ManifestCheck, target: CommandTarget, scope: CommandScope): Promise<CommandOutcome>;
  /** Resolves when the release is healthy. Throws a StepFailure when it is not in time. */
  waitUntilHealthy(target: CommandTarget, scope: CommandScope): Promise<void>;
  /** Resolves when the release was healthy all that time, at once when it has no health check. Throws a StepFailure when it was not. */
  watchHealth(target: CommandTarget, durationMs: number, scope: CommandScope): Promise<void>;
}

const POLL_MS = 200;
const HTTP_TIMEOUT_MS = 5_000;

export function createReleaseCommands(layout: Layout, record: HostRecord, log: Log): ReleaseCommands {
  const environment = (target: CommandTarget, scope: CommandScope): Record<string, string> => {
    const { release, treeDir, fromVersion, more } = target;
    const context = { layout, record, version: release.version, fromVersion, treeDir };
    const mark = { [MARK]: markOf(scope.order, scope.step) };
    return commandEnvironment({ ...context, more: { ...more, ...mark } });
  };
  const execute = async (
    command: ManifestCommand,
    timeoutMs: number,
    target: CommandTarget,
    scope: CommandScope,
  ): Promise<CommandOutcome> =>
    runCommand({
      run: command.run,
      timeoutMs,
      cwd: target.treeDir,
      env: environment(target, scope),
      logFile: join(layout.logs, `${fileName(scope.order)}-${scope.step}.log`),
      signal: scope.signal,
    });
  const askFor = (check: HealthCheck, target: CommandTarget, scope: CommandScope): Ask =>
    'http' in check
      ? () => askHttp(fillIn(check.http, environment(target, scope)), scope.signal)
      : (leftMs: number) => execute(check, leftMs, target, scope).then((o) => healthOf(check, o, target));
  return {
    run: async (name, target, scope) => {
      const command = commandsOf(target.release, record)[name];
      if (!command) return false;
      const outcome = await execute(command, command.timeoutMs, target, scope);
      log.info('command ended', { order: scope.order, step: scope.step, command: name, ...logged(outcome) });
      const problem = failureOf(name, command, outcome, target.release.version);
      if (problem) throw problem;
      return true;
    },
    act: async (action, target, scope) => {
      const outcome = await execute(action, action.timeoutMs, target, scope);
      log.info('command ended', { order: scope.order, step: scope.step, command: action.id, ...logged(outcome) });
      const problem = failureOf(action.id, action, outcome, target.release.version);
      if (problem) throw problem;
      return outcome;
    },
    check: (check, target, scope) => execute(check, check.timeoutMs, target, scope),
    waitUntilHealthy: async (target, scope) => {
      const check = commandsOf(target.release, record).health;
      if (!check) return;
      await poll(check, askFor(check, target, scope), target.release.version, scope.signal);
    },
    watchHealth: async (target, durationMs, scope) => {
      const check = commandsOf(target.release, record).health;
      if (check) await watch(check, askFor(check, target, scope), durationMs, target.release.version, scope.signal);
    },
  };
}

function commandsOf(release: Release, record: HostRecord): RoleCommands {
  return release.manifest.commands[record.role] ?? {};
}

/** Undefined when healthy, otherwise what was found. */
type Ask = (leftMs: number) => Promise<string | undefined>;

type HealthCheck = ManifestCommand | HttpHealthCheck;

async function poll(check: HealthCheck, ask: Ask, version: string, signal: AbortSignal) {
  const endAt = Date.now() + check.timeoutMs;
  let found = '';
  for (;;) {
    const now = await ask(Math.max(endAt - Date.now(), 1));
    if (now === undefined) return;
    // The last answer may only say that it was cut off by the end of the time; the one before says what is wrong.
    if (found === '' || Date.now() < endAt) found = now;
    if (Date.now() >= endAt) {
      const message = `version ${version} was not healthy within ${check.timeoutMs} ms: ${found}`;
      throw new StepFailure('HEALTH_FAILED', message, { version, timeout_ms: String(check.timeoutMs), found });
    }
    await delay(Math.min(POLL_MS, Math.max(endAt - Date.now(), 0)), undefined, { signal }).catch(() => undefined);
    throwIfStopping(signal);
  }
}

/** So many checks in a row may find nothing good: one that was slow on a busy host says little. */
const ILL_IN_A_ROW = 3;
const WATCH_EVERY_MS = { least: 50, most: 2_000 };
/** A settling time has about so many checks. */
const WATCH_CHECKS = 30;

async function watch(check: HealthCheck, ask: Ask, durationMs: number, version: string, signal: AbortSignal) {
  const begunAt = Date.now();
  const everyMs = Math.min(Math.max(durationMs / WATCH_CHECKS, WATCH_EVERY_MS.least), WATCH_EVERY_MS.most);
  for (let ill = 0; ;) {
    const found = await ask(Math.min(check.timeoutMs, HTTP_TIMEOUT_MS));
    throwIfStopping(signal);
    ill = found === undefined ? 0 : ill + 1;
    const afterMs = Date.now() - begunAt;
    if (ill >= ILL_IN_A_ROW) {
      const message = `version ${version} was healthy and is no longer, ${Math.round(afterMs / 1000)} s later: ${found}`;
      throw new StepFailure('HEALTH_LOST', message, { version, after_ms: String(afterMs), found: found ?? '' });
    }
    // It ends with a check that found it healthy.
    if (ill === 0 && afterMs >= durationMs) return;
    await delay(everyMs, undefined, { signal }).catch(() => undefined);
    throwIfStopping(signal);
  }
}

async function askHttp(url: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(HTTP_TIMEOUT_MS)]) });
    const body = (await response.text()).slice(0, 1_000);
    return response.ok ? undefined : `${url} answered ${response.status} ${body}`.trim();
  } catch (error) {
    if (signal.aborted) throw new Interrupted();
    const cause = error instanceof Error && error.cause ? ` (${messageOf(error.cause)})` : '';
    return `${url}: ${messageOf(error)}${cause}`;
  }
}

function healthOf(command: ManifestCommand, outcome: CommandOutcome, target: CommandTarget): string | undefined {
  const problem = failureOf('health', command, outcome, target.release.version);
  return problem && `${problem.failure.message}${outcome.output === '' ? '' : `; ${outcome.output}`}`;
}

function failureOf(
  name: string,
  command: ManifestCommand,
  outcome: CommandOutcome,
  version: string,
): StepFailure | undefined {
  const what = `the ${name} command of version ${version}`;
  const facts = { command: name, run: JSON.stringify(command.run), version, output: outcome.output };
  switch (outcome.kind) {
    case 'exited':
      if (outcome.exitCode === 0) return undefined;
      return new StepFailure('COMMAND_FAILED', `${what} ended with exit code ${outcome.exitCode}`, {
        ...facts,
        exit_code: String(outcome.exitCode),
      });
    case 'killed':
      return new StepFailure('COMMAND_FAILED', `${what} was killed by ${outcome.signal}`, {
        ...facts,
        signal: outcome.signal,
      });
    case 'timed-out': {
      const limit = { ...facts, timeout_ms: String(command.timeoutMs) };
      return new StepFailure('COMMAND_TIMED_OUT', `${what} did not end within ${command.timeoutMs} ms`, limit);
    }
    case 'not-started':
      return new StepFailure('COMMAND_FAILED', `${what} could not be started: ${outcome.why}`, {
        ...facts,
        why: outcome.why,
      });
  }
}

function logged({ output: _, ...outcome }: CommandOutcome) {
  return outcome;
}

/** Ids of orders are up to 128 characters of anything; names of files are not. */
function fileName(order: string): string {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(order) ? order : sha256Hex(order).slice(0, 32);
}
