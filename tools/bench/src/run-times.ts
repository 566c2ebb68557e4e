import { decodeEvent, isEventType, type EventEnvelope, type EventType } from '@lastcall/contracts';
import { openStore } from '@lastcall/store';
import type { StorePlace } from './lastcall.js';

/*
 * When what was said in each run, read from the archives of the services when everything is over: so that watching costs nothing while
 * it is measured. Times are those of the events, by the clock of the store, to a millisecond.
 */

export interface SaidInRun {
  readonly type: EventType;
  readonly at: number;
}

export interface RunTimes {
  readonly run: string;
  readonly dueAt: number;
  /** By time. */
  readonly said: readonly SaidInRun[];
  /** From due to the gate open again. */
  readonly reopenedMs: number;
}

const PAGE = 1_000;

export async function readEvents(places: readonly StorePlace[]): Promise<readonly EventEnvelope[]> {
  const all = await Promise.all(places.map(readArchive));
  return all.flat().toSorted((a, b) => a.time - b.time);
}

async function readArchive(place: StorePlace): Promise<readonly EventEnvelope[]> {
  const store = await openStore(place);
  try {
    const events: EventEnvelope[] = [];
    let pageToken: string | undefined;
    do {
      const page = await store.archivedEvents({
        fromAt: 0,
        limit: PAGE,
        ...(pageToken !== undefined && { pageToken }),
      });
      events.push(...page.items);
      pageToken = page.nextPageToken;
    } while (pageToken !== undefined);
    return events;
  } finally {
    await store.close();
  }
}

/** Throws when a run is not there from its beginning to its end. */
export function runTimesOf(events: readonly EventEnvelope[], runs: readonly string[]): readonly RunTimes[] {
  const byRun = new Map<string, EventEnvelope[]>(runs.map((run) => [run, []]));
  for (const event of events) byRun.get(runOf(event))?.push(event);
  return [...byRun].map(([run, said]) => timesOf(run, said));
}

function timesOf(run: string, events: readonly EventEnvelope[]): RunTimes {
  const started = events.find(({ type }) => type === 'RunStarted');
  const reopened = events.find(({ type }) => type === 'GateReopened');
  const dueAt = started && decodeEvent('RunStarted', started).run?.nominalTime?.getTime();
  if (dueAt === undefined || !reopened) throw new Error(`the events of ${run} are not complete`);
  const said = events.flatMap(({ type, time: at }) => (isEventType(type) ? [{ type, at }] : []));
  return { run, dueAt, said, reopenedMs: reopened.time - dueAt };
}

interface AboutRun {
  readonly run?: { readonly run: string } | string | undefined;
  readonly order?: { readonly run: string } | undefined;
}

/** Events name their run by its definition, by its id, or through the order that they are about. */
function runOf(event: EventEnvelope): string {
  if (!isEventType(event.type)) return '';
  const { run, order } = decodeEvent(event.type, event) as AboutRun;
  return (typeof run === 'string' ? run : run?.run) || (order?.run ?? '');
}

/** One step of the chain: what it waits for, and how long after the step before. */
export interface Step {
  readonly step: string;
  readonly ms: readonly number[];
}

/** The events by which a run goes on; of several of one type (one for each host) the last one counts. */
const CHAIN: readonly EventType[] = [
  'RunStarted',
  'PreflightPassed',
  'StagingCompleted',
  'GateClosed',
  'NoticeSent',
  'SessionsDrained',
  'BackupTaken',
  'DrainConfirmed',
  'InstallStarted',
  'HostUpdated',
  'InstallationUpdated',
  'GateReopened',
];

export function stepsOf(times: readonly RunTimes[]): readonly Step[] {
  return CHAIN.map((type, i) => {
    const before = CHAIN[i - 1];
    const ms = times.map((run) => lastOf(run, type) - (before === undefined ? run.dueAt : lastOf(run, before)));
    return { step: `${before ?? 'due'} → ${type}`, ms };
  });
}

function lastOf({ run, said }: RunTimes, type: EventType): number {
  const at = said.findLast((event) => event.type === type)?.at;
  if (at === undefined) throw new Error(`${run} has no ${type}`);
  return at;
}
