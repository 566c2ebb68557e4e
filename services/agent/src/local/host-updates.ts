import { hostEdgeV1 } from '@lastcall/contracts';
import { reject, RejectedError, SECOND_MS } from '@lastcall/kernel';
import { CallError, CODE, type UnaryClient } from '@lastcall/sdk';
import { setTimeout as delay } from 'node:timers/promises';
import type { OrderBook, OrderEvent } from '../domain/order-book.js';
import type { ActionKind, OnLocalStep } from '../domain/order.js';
import type { SeatPhase } from '../domain/seat-update.js';
import type { HostRecord } from '../host-record.js';
import { textOf, unusable, type Command, type Said } from '../seat/obey-lines.js';
import type { SeatProblem, SeatView } from '../seat/seat-view.js';
import { Interrupted } from '../step-failure.js';

/*
 * What somebody on this host may have of a host that follows its installation: to see where it stands, and to have it brought to the version
 * of its installation now. Decides nothing: the services are asked, with this host's own credential, and give the orders. One at a
 * time; whoever asks meanwhile waits for the same end.
 */

export interface HostView extends SeatView {
  /** The installation that it follows. */
  readonly follows: string;
}

export interface HostUpdates {
  view(): Promise<HostView>;
  obey(command: Command): Promise<Said>;
  /** `onState`: it may be another one. Answers what ends it. */
  listen(listener: Listener): () => void;
  onEvent(event: OrderEvent): void;
  onProgress: (done: number, total: number) => void;
  stop(): void;
}

export interface Listener {
  onState(): void;
  readonly onStep: OnLocalStep;
}

export interface HostUpdatesParts {
  readonly record: HostRecord;
  readonly client: UnaryClient<typeof hostEdgeV1.HostEdgeServiceService>;
  readonly book: () => OrderBook;
  readonly installedVersion: () => Promise<string>;
  /** How often the services are asked while somebody waits. Default 500 ms. */
  readonly everyMs?: number;
}

/** Services that do not answer are borne for so long: the orders go on, but nobody can say how they end. */
const UNREACHABLE_MS = 60 * SECOND_MS;
const EVERY_MS = 500;

const State = hostEdgeV1.CatchUpState;
type Standing = hostEdgeV1.CatchUpStanding;

export function createHostUpdates(parts: HostUpdatesParts): HostUpdates {
  const listeners = new Set<Listener>();
  const stopping = new AbortController();
  const tell = (): void => listeners.forEach((listener) => listener.onState());
  let asked: Asked | undefined;
  let running: Promise<void> | undefined;
  let last: SeatView['last'];
  const catchUp = async (): Promise<void> => {
    const fromVersion = await parts.installedVersion();
    asked = { fromVersion, isTouched: false };
    try {
      const standing = await follow(parts, stopping.signal, (now) => {
        if (asked) asked.standing = now;
        tell();
      });
      const version = await parts.installedVersion();
      if (asked.standing || version !== fromVersion) last = outcomeOf(asked, standing);
    } finally {
      running = undefined;
      tell();
    }
  };
  const begin = (): Promise<void> => (running ??= catchUp());
  return {
    view: async () => {
      const installedVersion = await parts.installedVersion();
      const now = running ? asked : undefined;
      return { ...viewOf(parts, installedVersion, now, asked?.lostWay), ...(last && { last }) };
    },
    obey: (command) => obey(parts, command, begin, () => last),
    listen: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onEvent: (event) => {
      const kind = kindOf(event, parts.book());
      if (asked) note(asked, event, kind);
      if (event.type !== 'step-begun') return tell();
      if (kind && PHASE_OF_ORDER[kind]) listeners.forEach((listener) => listener.onStep(event.step, 0, 0));
    },
    onProgress: (done, total) => listeners.forEach((listener) => listener.onStep('download', done, total)),
    stop: () => stopping.abort(),
  };
}

/** What somebody has asked for and what has come of it so far. */
interface Asked {
  readonly fromVersion: string;
  standing?: Standing;
  /** The application was stopped for it. */
  isTouched: boolean;
  /** Why even the way back failed. */
  lostWay?: SeatProblem;
}

function kindOf({ order }: OrderEvent, book: OrderBook): ActionKind | undefined {
  return typeof order === 'string' ? book.orders.get(order)?.order.action.kind : order.action.kind;
}

function note(asked: Asked, event: OrderEvent, kind: ActionKind | undefined): void {
  if (event.type === 'step-begun' && event.step === 'stop' && kind && INSTALLS.includes(kind)) asked.isTouched = true;
  if (event.type === 'finished' && kind === 'roll-back-release' && event.result.failure) {
    const { reason, message } = event.result.failure;
    asked.lostWay = { reason, message };
  }
}

const INSTALLS: readonly ActionKind[] = ['install-release', 'downgrade-release'];
const UNDERWAY: readonly hostEdgeV1.CatchUpState[] = [
  State.STAGING,
  State.INSTALLING,
  State.SETTLING,
  State.GOING_BACK,
];

/** Resolves when nothing is done any more. Rejects when the services refuse it. */
async function follow(
  { client, everyMs = EVERY_MS }: HostUpdatesParts,
  signal: AbortSignal,
  hear: (standing: Standing) => void,
): Promise<Standing> {
  let standing = required(await client.catchUp({}));
  let heardAt = performance.now();
  if (UNDERWAY.includes(standing.state)) hear(standing);
  while (UNDERWAY.includes(standing.state)) {
    await delay(everyMs, undefined, { signal }).catch(() => {
      throw new Interrupted();
    });
    const next = await client.getCatchUp({}).catch((error: unknown) => {
      if (!isAway(error) || performance.now() - heardAt > UNREACHABLE_MS) throw error;
      return undefined;
    });
    if (!next) continue;
    heardAt = performance.now();
    const hasChanged = next.standing?.state !== standing.state;
    standing = required(next);
    if (hasChanged) hear(standing);
  }
  return standing;
}

function isAway(error: unknown): boolean {
  return error instanceof CallError && (error.code === CODE.unavailable || error.code === CODE.deadlineExceeded);
}

function required({ standing }: { readonly standing?: Standing | undefined }): Standing {
  if (standing) return standing;
  throw new CallError(CODE.internal, 'the services did not say where this host stands');
}

async function obey(
  parts: HostUpdatesParts,
  command: Command,
  begin: () => Promise<void>,
  last: () => SeatView['last'],
): Promise<Said> {
  switch (command.do) {
    case 'look':
      return {};
    case 'check':
      return check(parts);
    case 'begin':
      await demandOwn(parts, command);
      await begin();
      return {};
    case 'resume':
      await begin();
      return {};
    case 'at-start': {
      const { state } = required(await parts.client.getCatchUp({}));
      if (state === State.DONE) return { installed: false };
      await begin();
      return { installed: last()?.result === 'updated' };
    }
    case 'pause':
    case 'restart':
      throw follows(parts, `cannot be told to ${command.do}`);
    default:
      throw unusable('"do" must be one of look, check, begin, resume, at-start');
  }
}

/** The version of its installation, and no other. */
async function demandOwn(parts: HostUpdatesParts, command: Command): Promise<void> {
  const [version, skipBackup] = [textOf(command, 'version'), textOf(command, 'skipBackup')];
  if (skipBackup !== undefined) throw follows(parts, 'takes no backup that could be skipped');
  if (version === undefined) return;
  const { version: own } = required(await parts.client.getCatchUp({}));
  if (version !== own) throw follows(parts, `can be brought to ${own} only, not to ${version}`);
}

function follows({ record }: HostUpdatesParts, what: string): RejectedError {
  const { host, installation } = record;
  return new RejectedError(reject('refused', 'FOLLOWS_INSTALLATION', `${host} follows ${installation} and ${what}`));
}

async function check({ client, record, installedVersion }: HostUpdatesParts): Promise<Said> {
  const here = await installedVersion();
  try {
    const { state, version, notes, failure } = required(await client.getCatchUp({}));
    const isDone = state === State.DONE;
    return {
      installedVersion: here,
      ...(!isDone && { release: { version, title: '', notes } }),
      reason: isDone ? `${version} is the version of ${record.installation}` : '',
      triedBefore: failure?.message ?? '',
    };
  } catch (error) {
    if (!(error instanceof CallError) || error.code !== CODE.failedPrecondition) throw error;
    return { installedVersion: here, reason: error.message, triedBefore: '' };
  }
}

const PHASE_OF_ORDER: Readonly<Partial<Record<ActionKind, SeatPhase>>> = {
  'stage-release': 'downloading',
  'install-release': 'installing',
  'downgrade-release': 'installing',
  'watch-health': 'installing',
  'roll-back-release': 'going-back',
};

const PHASE_OF_STATE: Readonly<Partial<Record<hostEdgeV1.CatchUpState, SeatPhase>>> = {
  [State.STAGING]: 'downloading',
  [State.INSTALLING]: 'installing',
  [State.SETTLING]: 'installing',
  [State.GOING_BACK]: 'going-back',
};

/** By the order that it is at, whoever wanted it; between two orders by what the services say. */
function viewOf(
  { record, book }: HostUpdatesParts,
  installedVersion: string,
  asked: Asked | undefined,
  lostWay: SeatProblem | undefined,
): HostView {
  const open = [...book().orders.values()].filter((state) => state.phase !== 'finished');
  const atWork = open.find((state) => PHASE_OF_ORDER[state.order.action.kind]);
  const phaseOfOrder = atWork && PHASE_OF_ORDER[atWork.order.action.kind];
  const phase = phaseOfOrder ?? (asked?.standing && PHASE_OF_STATE[asked.standing.state]);
  const here = { installedVersion, follows: record.installation };
  if (phase === undefined) {
    return lostWay ? { ...here, phase: 'stuck', problem: lostWay } : { ...here, phase: 'resting' };
  }
  const action = atWork?.order.action;
  const version = asked?.standing?.version ?? (action && 'version' in action ? action.version : '');
  const fromVersion = asked?.fromVersion ?? installedVersion;
  return { ...here, phase, update: { version, fromVersion, title: '', notes: asked?.standing?.notes ?? '' } };
}

function outcomeOf({ fromVersion, isTouched }: Asked, standing: Standing): NonNullable<SeatView['last']> {
  const { version, state, failure } = standing;
  const ended = { version, fromVersion, at: new Date().toISOString(), restorePoint: '' };
  if (state === State.DONE) return { ...ended, result: 'updated' };
  const problem = failure && { reason: failure.reason, message: failure.message };
  return { ...ended, result: isTouched ? 'gone-back' : 'not-begun', ...(problem && { problem }) };
}
