import { SECOND_MS } from '@lastcall/kernel';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MARK, markOf } from '../commands/left-over.js';
import { runCommand, type CommandOutcome } from '../commands/command-runner.js';
import type { Layout } from '../layout.js';
import { stagedChanged } from '../releases.js';
import { Interrupted, StepFailure } from '../step-failure.js';
import { AGENT_VERSION } from '../version.js';
import type { ProgramFolder } from './program-folder.js';
import { endProbation, readProbation } from './probation.js';
import type { TriedOut } from './try-out.js';

/*
 * The two steps in which an agent is followed by another one. In the first the new one is asked, beside this one, whether it can work here; in the second
 * this process gives way to it. The second is begun by the old agent and ended by whichever agent runs then: by the new one when it has settled, by
 * the old one with the reason why the new one did not.
 */

/** This process is to give way; the order goes on in the agent that runs then. */
export interface HandOver {
  readonly order: string;
  readonly version: string;
}

/** What a process knows of the new agent that it let try to take over. */
export interface FailedTakeOver {
  readonly order: string;
  readonly failure: StepFailure;
}

export interface ProgramStepsParts {
  readonly layout: Layout;
  readonly folder: ProgramFolder;
  readonly onHandOver: (handOver: HandOver) => void;
  readonly failedTakeOver?: FailedTakeOver | undefined;
  /** Resolves when the edge has accepted a stream of this agent. */
  readonly connected: Promise<void>;
  /** How long this agent works before it counts as settled. Default 10 s. */
  readonly settleMs?: number | undefined;
}

export interface ProgramScope {
  readonly order: string;
  readonly signal: AbortSignal;
}

export interface ProgramSteps {
  readonly folder: ProgramFolder;
  /** Asks the new agent. Throws a StepFailure when it cannot work here. */
  tryOut(version: string, scope: ProgramScope): Promise<void>;
  /** Resolves in the new agent; throws in the old one. */
  takeOver(version: string, scope: ProgramScope): Promise<void>;
}

/** Set by the launcher: it can start the next agent in the place of this one. */
export const LAUNCHED = 'LASTCALL_AGENT_LAUNCHED';

const TRY_OUT_MS = 30 * SECOND_MS;
const SETTLE_MS = 10 * SECOND_MS;

export function createProgramSteps(parts: ProgramStepsParts): ProgramSteps {
  return {
    folder: parts.folder,
    tryOut: (version, scope) => tryOutNew(parts, version, scope),
    takeOver: (version, scope) =>
      version === AGENT_VERSION ? settle(parts, scope.signal) : giveWay(parts, version, scope),
  };
}

async function tryOutNew({ layout, folder }: ProgramStepsParts, version: string, scope: ProgramScope): Promise<void> {
  if (process.env[LAUNCHED] === undefined || process.platform === 'win32') throw notLaunched();
  if (version === AGENT_VERSION) return;
  // What an earlier attempt has left says nothing about this one.
  endProbation(folder.dir);
  await demandAsSigned(folder, version, scope.signal);
  const mark = markOf(scope.order, 'try-out');
  const main = folder.mainOf(version);
  const outcome = await runAgent(layout, main, ['try-out'], { mark, timeoutMs: TRY_OUT_MS, signal: scope.signal });
  if (outcome.kind !== 'exited' || outcome.exitCode !== 0) throw newAgentFailed(version, 'cannot work here', outcome);
  const said = lastWords(outcome.output)?.agentVersion;
  if (said === version) return;
  const message = `the release ${version} of the agent holds the version ${said ?? 'unknown'}; build and publish it again`;
  throw new StepFailure('WRONG_AGENT_VERSION', message, { version, said: said ?? '' });
}

/** What is run next is what was staged. */
async function demandAsSigned({ releases }: ProgramFolder, version: string, signal: AbortSignal): Promise<void> {
  const changes = await releases.findChanges(await releases.load(version), true, signal);
  if (changes.length > 0) throw stagedChanged(version, changes);
}

function lastWords(output: string): Partial<TriedOut> | undefined {
  try {
    return JSON.parse(output.trimEnd().split('\n').at(-1) ?? '') as Partial<TriedOut>;
  } catch {
    return undefined;
  }
}

function notLaunched(): StepFailure {
  const message =
    'this agent cannot be followed by another one: it was not started by bin/lastcall-agent.js, or runs on Windows; install the new one by hand';
  return new StepFailure('AGENT_NOT_REPLACEABLE', message);
}

/** In the new agent. */
async function settle({ folder, connected, settleMs = SETTLE_MS }: ProgramStepsParts, signal: AbortSignal) {
  await Promise.race([connected, aborted(signal)]);
  await delay(settleMs, undefined, { signal }).catch(() => undefined); // The next start goes on.
  if (signal.aborted) throw new Interrupted();
  endProbation(folder.dir);
}

/** In the old agent. */
async function giveWay(parts: ProgramStepsParts, version: string, { order, signal }: ProgramScope): Promise<never> {
  const { failedTakeOver, folder, onHandOver } = parts;
  if (failedTakeOver?.order === order) throw failedTakeOver.failure;
  const probation = readProbation(folder.dir);
  if (probation?.version === version && probation.failed) {
    endProbation(folder.dir);
    const message = `the agent ${version} took over and ended ${probation.starts} times before it had settled; this one goes on. Its last words are in the journal of the system`;
    throw new StepFailure('NEW_AGENT_ENDED', message, { version, starts: String(probation.starts) });
  }
  await demandAsSigned(folder, version, signal);
  onHandOver({ order, version });
  await aborted(signal);
  throw new Interrupted();
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Why a new agent is not followed, with what it said last. */
export function newAgentFailed(version: string, what: string, outcome: CommandOutcome): StepFailure {
  const { output } = outcome;
  if (outcome.kind === 'timed-out') {
    const message = `the agent ${version} ${what}: its time was up; this one goes on`;
    return new StepFailure('NEW_AGENT_TIMED_OUT', message, { version, output });
  }
  const how =
    outcome.kind === 'exited'
      ? { exit_code: String(outcome.exitCode) }
      : outcome.kind === 'killed'
        ? { signal: outcome.signal }
        : { why: outcome.why };
  const message = `the agent ${version} ${what}: it ended (${Object.values(how).join()}); this one goes on`;
  return new StepFailure('NEW_AGENT_FAILED', message, { version, ...how, output });
}

interface RunAgentOptions {
  /** In its environment, so that it is found when nobody watches it any more. */
  readonly mark: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Another agent on this data folder, as a child, until it ends or its time is up. */
export function runAgent(
  layout: Layout,
  main: string,
  args: readonly string[],
  { mark, timeoutMs, signal }: RunAgentOptions,
): Promise<CommandOutcome> {
  const [command = ''] = args;
  const { NODE_CHANNEL_FD: _, ...own } = process.env;
  const env = Object.fromEntries(Object.entries(own).flatMap(([k, v]) => (v === undefined ? [] : [[k, v] as const])));
  return runCommand({
    run: [process.execPath, '--disable-warning=ExperimentalWarning', main, ...args, '--data', layout.root],
    cwd: layout.root,
    env: { ...env, [MARK]: mark },
    logFile: join(layout.logs, `new-agent-${command}.log`),
    ...{ timeoutMs, signal },
  });
}
