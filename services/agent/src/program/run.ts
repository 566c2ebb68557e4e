import { SECOND_MS } from '@lastcall/kernel';
import { openAgent, type Agent, type AgentOptions } from '../agent.js';
import { endLeftOvers } from '../commands/left-over.js';
import { layoutOf, type Layout } from '../layout.js';
import type { Log } from '../log.js';
import { Interrupted, type StepFailure } from '../step-failure.js';
import { AGENT_VERSION } from '../version.js';
import { programReleases } from './program-folder.js';
import { newAgentFailed, runAgent, type Following, type HandOver } from './program-steps.js';
import { beginProbation } from './probation.js';

/*
 * `run`: an agent works until it is asked to stop, or until an order lets another agent take over. Then this process closes everything, starts the new
 * one as a child, and watches it. The link `program/current` is led to the new one by the new one itself, in the moment when the edge
 * has accepted it: it names nobody who has not come that far, so whoever starts after a crash starts an agent that works. When the link is as
 * it was after the child has ended, this process goes on as before.
 */

export interface RunOptions extends Pick<AgentOptions, 'dataDir' | 'log' | 'keep' | 'serveMaxBytes' | 'keyMaxAgeMs'> {
  /** Asks to stop; the reason is logged. */
  readonly stop: AbortSignal;
  /** How long a new agent may take until the edge has accepted it. Default 60 s. */
  readonly takeOverMs?: number | undefined;
  /** How long an agent that has taken over works before it counts. Default 10 s. */
  readonly settleMs?: number | undefined;
}

const TAKE_OVER_MS = 60 * SECOND_MS;

/** Answers `follow` when the launcher has to start the agent that the link leads to now. */
export async function runUntilStopped(options: RunOptions): Promise<'stopped' | 'follow'> {
  const { log, stop, dataDir } = options;
  const layout = layoutOf(dataDir);
  // A new agent whose watcher was killed: nobody knows what becomes of it, and it holds the lock.
  await endLeftOvers(markOfNew(layout));
  let failed: Following['failed'];
  for (;;) {
    const handOver = await work(options, failed);
    if (!handOver) return 'stopped';
    log.info('another agent takes over', { ...handOver, from: AGENT_VERSION });
    const failure = await letTakeOver(layout, handOver, options);
    if (failure === 'follow') return 'follow';
    if (stop.aborted || !failure) return 'stopped';
    const { reason, message } = failure.failure;
    log.warn('this agent goes on', { order: handOver.order, reason, message });
    failed = { order: handOver.order, failure };
  }
}

/** Answers whom it gave way to. */
async function work(options: RunOptions, failed: Following['failed']): Promise<HandOver | undefined> {
  const handOver = Promise.withResolvers<HandOver>();
  const following = { onHandOver: handOver.resolve, failed, settleMs: options.settleMs };
  const agent = await openAgent({ ...options, following });
  logStart(options.log, agent);
  agent.start();
  try {
    return await Promise.race([stopped(options), agent.failed, handOver.promise]);
  } finally {
    await agent.stop();
  }
}

function logStart(log: Log, { record: { installation, host } }: Agent, more: object = {}): void {
  log.info('agent started', { installation, host, pid: process.pid, version: AGENT_VERSION, ...more });
}

function stopped({ stop, log }: RunOptions): Promise<undefined> {
  return new Promise((resolve) => {
    const done = (): void => {
      log.info('agent stops', { because: String(stop.reason) });
      resolve(undefined);
    };
    if (stop.aborted) done();
    else stop.addEventListener('abort', done, { once: true });
  });
}

/** The link decides, however the child ended. Undefined: this process was asked to stop. */
async function letTakeOver(
  layout: Layout,
  { version }: HandOver,
  { stop, takeOverMs = TAKE_OVER_MS }: RunOptions,
): Promise<'follow' | StepFailure | undefined> {
  const releases = programReleases(layout);
  if ((await releases.installedVersion()) === version) return 'follow';
  const main = `${releases.treeOf(version)}/dist/main.js`;
  const how = { mark: markOfNew(layout), timeoutMs: takeOverMs, signal: stop };
  try {
    const outcome = await runAgent(layout, main, ['run', '--take-over'], how);
    if ((await releases.installedVersion()) === version) return 'follow';
    return newAgentFailed(version, 'was not accepted by the services', outcome);
  } catch (error) {
    if (error instanceof Interrupted) return undefined;
    throw error;
  }
}

function markOfNew({ root }: Layout): string {
  return `new-agent ${root}`;
}

/**
 * The new agent, as a child of the old one: connects, and leads the link to itself when it was accepted. Until then it begins no order and takes
 * none in. It ends then; the launcher starts it in the place of the old one.
 */
export async function takeOver({ stop, ...options }: RunOptions): Promise<void> {
  const { program } = layoutOf(options.dataDir);
  const releases = programReleases({ program });
  const accepted = Promise.withResolvers<void>();
  const onAccepted = async (): Promise<void> => {
    beginProbation(program, AGENT_VERSION);
    await releases.swapTo(AGENT_VERSION);
    accepted.resolve();
  };
  const agent = await openAgent({ ...options, onAccepted });
  logStart(options.log, agent, { takesOver: true });
  agent.start();
  try {
    await Promise.race([accepted.promise, agent.failed, stopped({ stop, ...options })]);
  } finally {
    await agent.stop();
  }
}
