import { isRejected, randomId, reject, RejectedError, run } from '@lastcall/kernel';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { openAgent, type Agent } from '../agent.js';
import { localOrderId, type OnLocalStep, type Order, type OrderAction, type OrderResult } from '../domain/order.js';
import {
  mayPause,
  restorePointOf,
  seatDecider,
  workOf,
  type RestartWhen,
  type SeatBook,
  type SeatCommand,
  type SeatState,
} from '../domain/seat-update.js';
import { layoutOf, type Layout } from '../layout.js';
import type { Log } from '../log.js';
import { findUpdate, triedBefore, type SeatNews } from './find-update.js';
import { checkWantedVersion, readSeatBook, readSeatRecord, writeSeatBook } from './seat-record.js';

/*
 * Works on one seat. Each command holds the data folder from its decision to the point where the seat waits again, so that two programs (the
 * application and a command line) never work on it at once. What was decided is on the disk before anything is done about it.
 */

export interface SeatOptions {
  readonly dataDir: string;
  readonly log: Log;
  /** Called after the state is on the disk. */
  readonly onState?: (state: SeatState) => void;
  readonly onStep?: OnLocalStep;
}

export interface BeginOptions {
  /** Default: the newest that the seat may take. */
  readonly version?: string | undefined;
  /** Why no backup is wanted; recorded. */
  readonly skipBackup?: string | undefined;
}

export interface Seat {
  /** As it is on the disk. */
  book(): SeatBook;
  /** What is new. */
  check(): Promise<SeatNews & { readonly triedBefore: string }>;
  /** Backup and download. Resolves when the seat waits: ready, paused, or resting because there was nothing to do. */
  begin(options?: BeginOptions): Promise<SeatBook>;
  /** Breaks off what `begin` or `resume` is doing; both resolve then. */
  pause(): Promise<void>;
  /** Goes on with what stands still, or was cut off. */
  resume(): Promise<SeatBook>;
  /** `now`: resolves when the new version runs, or the old one again. */
  restart(when: RestartWhen): Promise<SeatBook>;
  /** The application is being started: does what was put off to that, and goes on with what was cut off in the middle. */
  atStart(): Promise<SeatBook>;
  /** Whether something is being done that goes on to its end whatever happens. */
  readonly mustFinish: boolean;
  /** Breaks off what may be broken off; resolves when nothing is being done any more. */
  stop(): Promise<void>;
}

const MAX_REASON = 500;

interface Work {
  readonly stop: AbortController;
  readonly done: Promise<unknown>;
  phase: SeatState['phase'];
}

export function createSeat(options: SeatOptions): Seat {
  const layout = layoutOf(options.dataDir);
  readSeatRecord(layout);
  let work: Work | undefined;
  /** One at a time; whoever comes meanwhile is told so. */
  const working = async <T>(task: (open: Open) => Promise<T>): Promise<T> => {
    if (work) throw busy();
    const stop = new AbortController();
    let end: (value: unknown) => void = () => undefined;
    const mine: Work = { stop, phase: 'resting', done: new Promise((done) => (end = done)) };
    work = mine;
    try {
      return await withAgent(options, layout, mine, task);
    } finally {
      work = undefined;
      end(undefined);
    }
  };
  const seat: Seat = {
    book: () => readSeatBook(layout),
    check: () =>
      working(async ({ agent, stop }) => {
        const news = await findUpdate(agent, layout, stop.signal);
        return { ...news, triedBefore: triedBefore(readSeatBook(layout), news.release?.version ?? '') };
      }),
    begin: async (wanted = {}) => {
      checkBegin(wanted);
      return working(async (open) => {
        await advance(open); // What was cut off comes first.
        const update = await prepare(open, layout, wanted);
        if (update) apply(open, { type: 'begin', update });
        return advance(open);
      });
    },
    pause: async () => {
      if (!work || !mayPause(work.phase)) throw refused('NOTHING_TO_PAUSE', 'nothing is being downloaded');
      work.stop.abort('pause');
      await work.done;
    },
    resume: () => working((open) => decided(open, { type: 'resume' })),
    restart: (when) => working((open) => decided(open, { type: 'restart', when })),
    atStart: () => working((open) => decided(open, { type: 'start' })),
    get mustFinish() {
      return work !== undefined && !mayPause(work.phase) && work.phase !== 'resting';
    },
    stop: async () => {
      if (work && !seat.mustFinish) work.stop.abort('stop');
      await work?.done;
    },
  };
  return seat;
}

interface Open {
  readonly options: SeatOptions;
  readonly layout: Layout;
  readonly agent: Agent;
  readonly stop: AbortController;
  /** What is being done, for whoever wants to break it off. */
  readonly work: Work;
}

async function withAgent<T>(
  options: SeatOptions,
  layout: Layout,
  work: Work,
  task: (open: Open) => Promise<T>,
): Promise<T> {
  const { onStep, log, dataDir } = options;
  const agent = await openAgent({ dataDir, log, ...(onStep && { onLocalStep: onStep }) });
  try {
    return await task({ options, layout, agent, stop: work.stop, work });
  } finally {
    await agent.stop();
  }
}

function checkBegin({ version, skipBackup }: BeginOptions): void {
  checkWantedVersion(version);
  if (skipBackup === undefined) return;
  if (skipBackup.trim() !== '' && skipBackup.length <= MAX_REASON) return;
  throw refused(
    'REASON_NEEDED',
    `a backup is skipped only for a reason of 1 to ${MAX_REASON} characters; it is recorded`,
  );
}

/** The update that is to begin; undefined when the one in hand goes on, or nothing is newer. */
async function prepare({ agent, stop }: Open, layout: Layout, wanted: BeginOptions) {
  const news = await findUpdate(agent, layout, stop.signal, wanted.version);
  const { release, installedVersion, reason } = news;
  if (!release) {
    if (wanted.version === undefined) return undefined;
    throw refused('UPDATE_NOT_POSSIBLE', reason);
  }
  if (installedVersion === '')
    throw refused('NOT_INSTALLED', 'nothing is installed here: "lastcall-agent install" first');
  const { skipBackup } = wanted;
  const why = skipBackup === undefined ? {} : { skipBackup: skipBackup.trim() };
  return { id: randomId('seat'), fromVersion: installedVersion, ...release, ...why, begunAt: Date.now() };
}

async function decided(open: Open, command: SeatCommand): Promise<SeatBook> {
  const isCutOff = workOf(readSeatBook(open.layout).state) !== undefined;
  // What a killed program was in the middle of comes to its end first, whoever asks for what.
  if (isCutOff && command.type !== 'resume') {
    const book = await advance(open);
    if (book.state.phase !== 'ready') return book;
  }
  apply(open, command);
  return advance(open);
}

/** Decides, and has it on the disk before anybody hears of it. */
function apply({ layout, options }: Open, command: SeatCommand): SeatBook {
  const before = readSeatBook(layout);
  const decision = run(seatDecider, before, command);
  if (isRejected(decision)) throw new RejectedError(decision);
  if (decision.events.length > 0) {
    writeSeatBook(layout, decision.state);
    options.onState?.(decision.state.state);
  }
  return decision.state;
}

/** Works until the seat waits for somebody, or is stopped. */
async function advance(open: Open): Promise<SeatBook> {
  const { work, stop, layout } = open;
  for (;;) {
    const book = readSeatBook(layout);
    const task = workOf(book.state);
    work.phase = book.state.phase;
    if (!task) return book;
    const result = stop.signal.aborted && mayPause(task.phase) ? undefined : await carryOut(open, orderOf(open, task));
    if (!result) {
      if (stop.signal.reason === 'pause') apply(open, { type: 'pause' });
      return readSeatBook(layout);
    }
    const { attempt } = task;
    const told = { ...(result.failure && { failure: result.failure }), touched: hasTouched(result) };
    // The backup of the restart holds more than the one before the download. After a kill in between this order is told once more, and so
    // is this; told first, nobody would know of the older one any more.
    if (task.phase === 'saving' && !result.failure && task.before !== '') await removeBackup(layout, task.before);
    apply(open, { type: 'tell', attempt, result: told, at: Date.now() });
  }
}

type Task = NonNullable<ReturnType<typeof workOf>>;

/** The same phase and attempt are the same order, so that it is found again after a crash. */
function orderOf({ agent }: Open, task: Task): Order {
  const { installation, host } = agent.record;
  const { update, attempt, phase } = task;
  const order = localOrderId(`${update.id}.${phase}.${attempt}`);
  // The run ties the way back to its install: data that was never migrated stays as it is.
  return { order, installation, host, run: update.id, fence: 0, deadlineAt: 0, action: actionOf(agent, task) };
}

function actionOf({ record: { product } }: Agent, task: Task): OrderAction {
  const { update, restorePoint } = task;
  switch (task.phase) {
    case 'backing-up':
    case 'saving':
      return { kind: 'take-backup', product, restorePoint: restorePointOf(task) };
    case 'downloading':
      return { kind: 'stage-release', product, version: update.version };
    case 'installing':
      return { kind: 'install-release', product, version: update.version };
    case 'going-back':
      return { kind: 'roll-back-release', product, version: update.fromVersion, restorePoint };
  }
}

/** Undefined when it was broken off; it goes on where it was when the same order is given again. */
async function carryOut({ agent, stop, work }: Open, order: Order): Promise<OrderResult | undefined> {
  const { runner, journal } = agent;
  const stopped = new Promise<void>((resolve) => {
    const onStop = (): void => {
      if (mayPause(work.phase)) resolve();
    };
    if (stop.signal.aborted) onStop();
    stop.signal.addEventListener('abort', onStop, { once: true });
  });
  await runner.receive(order);
  await Promise.race([runner.idle(), stopped]);
  if (stop.signal.aborted && mayPause(work.phase)) await runner.stop();
  const state = journal.book.orders.get(order.order);
  return state?.phase === 'finished' ? state.result : undefined;
}

/** A failed install that did not come beyond its checks has changed nothing. */
function hasTouched({ evidence }: OrderResult): boolean {
  return evidence?.kind === 'install' && evidence.steps.length > 0;
}

async function removeBackup(layout: Layout, restorePoint: string): Promise<void> {
  await rm(join(layout.backups, restorePoint), { recursive: true, force: true });
}

function busy(): RejectedError {
  return refused('SEAT_BUSY', 'this seat is being worked on; wait until that is done, or pause it');
}

function refused(reason: string, message: string): RejectedError {
  return new RejectedError(reject('refused', reason, message));
}
