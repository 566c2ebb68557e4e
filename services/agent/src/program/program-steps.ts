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

/** How this agent can be followed by another one. */
export interface Following {
  /** The agent is to be stopped, and the other one to be started in its place. */
  readonly onHandOver: (handOver: HandOver) => void;
  /** What became of the last one that was let try from this process. */
  readonly failed?: { readonly order: string; readonly failure: StepFailure } | undefined;
  /** How long an agent that has taken over works before it counts as settled. Default 10 s. */
  readonly settleMs?: number | undefined;
}

export interface ProgramStepsParts {
  readonly layout: Layout;
  readonly folder: ProgramFolder;
  /** Absent where an agent works for something else than `run`. */
  readonly following: Following | undefined;
  /** Resolves when the edge has accepted a stream of this agent. */
  readonly connected: Promise<void>;
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

async function tryOutNew(parts: ProgramStepsParts, version: string, scope: ProgramScope): Promise<void> {
  if (version === AGENT_VERSION) return;
  demandFollowing(parts);
  const { layout, folder } = parts;
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

function demandFollowing({ following }: ProgramStepsParts): Following {
  if (following && process.env[LAUNCHED] !== undefined && process.platform !== 'win32') return following;
  const message =
    'this agent cannot be followed by another one: it does not run as "bin/lastcall-agent.js run", or runs on Windows; start it so, or install the new one by hand';
  throw new StepFailure('AGENT_NOT_REPLACEABLE', message);
}

/** In the new agent. */
async function settle({ folder, connected, following }: ProgramStepsParts, signal: AbortSignal): Promise<void> {
  if (following) {
    await Promise.race([connected, aborted(signal)]);
    // Ended early by the stop: the next start goes on.
    await delay(following.settleMs ?? SETTLE_MS, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) throw new Interrupted();
  }
  endProbation(folder.dir);
}

/** In the old agent. */
async function giveWay(parts: ProgramStepsParts, version: string, { order, signal }: ProgramScope): Promise<never> {
  const { onHandOver, failed } = demandFollowing(parts);
  const { folder } = parts;
  if (failed?.order === order) throw failed.failure;
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
