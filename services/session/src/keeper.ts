import { isRejected, randomId } from '@lastcall/kernel';
import { logContextOf, type Duty, type Known, type Logger } from '@lastcall/runtime';
import type { Store } from '@lastcall/store';
import { countAll, countUsers } from './counting.js';
import { DUE, type Documents } from './documents.js';
import { expire } from './domain/expiry.js';
import type { GateCommand, GateEvent, Patience } from './domain/gate-messages.js';
import type { DrainCounts, GateIn, GateState } from './domain/gate-state.js';
import type { GateRecord, Gates } from './gates.js';
import { countInside } from './inside.js';
import type { Ledger } from './ledger.js';
import type { Presence } from './presence.js';
import type { SessionSettings } from './settings.js';
import type { Sheets } from './sheets.js';
import type { Sightings } from './sightings.js';
import type { Vigil } from './vigil.js';

/*
 * Carries gates forward when nobody says anything: sends the notice, logs off at the deadline, proves zero, gives up what did
 * not come in time. Everything by the due time in the gate's document; any replica may do any step, the document decides.
 */

export interface Keeper {
  /** Takes this gate as far as it goes now. Resolves when nothing can be done at the moment. */
  advance(installation: string): Promise<void>;
  /** Sessions of the installation have gone: it may be empty. */
  nudge(installations: ReadonlySet<string>): void;
  readonly duty: Duty;
}

export interface KeeperOptions {
  readonly store: Store;
  readonly documents: Documents;
  readonly gates: Gates;
  readonly ledger: Ledger;
  readonly sheets: Sheets;
  readonly sightings: Sightings;
  readonly presence: Presence;
  readonly vigil: Vigil;
  readonly settings: SessionSettings;
  readonly log: Logger;
}

const PAGE = 100;
/** How often zero is looked for while sessions are leaving. */
const PROBE_MS = 200;
/** How often owners of the remaining documents are looked at closely. */
const ORPHANS_MS = 2_000;

export function createKeeper(options: KeeperOptions): Keeper {
  const { store, documents, gates, vigil, log } = options;
  const running = new Map<string, { again: boolean; done: Promise<void> }>();
  const looked = new Map<string, number>();

  async function advanceOnce(installation: string): Promise<void> {
    for (;;) {
      const record = await gates.get(installation);
      const step = record && (await nextStep(options, looked, record));
      if (!step) return;
      const result = await gates.apply(installation, ({ now }) => step(now));
      if (isRejected(result) || result.events.length === 0) return;
      if (!isProbed(result.gate)) looked.delete(installation);
      const { gate } = record.data;
      const about = 'cause' in gate && gate.cause.by === 'run' ? gate.cause.run : { installation };
      logEvents(log, about, result.events);
    }
  }

  /** One at a time for each gate; who comes meanwhile has it done once more. */
  function advance(installation: string): Promise<void> {
    const busy = running.get(installation);
    if (busy) {
      busy.again = true;
      return busy.done;
    }
    const mine = { again: false, done: Promise.resolve() };
    running.set(installation, mine);
    mine.done = (async () => {
      try {
        do {
          mine.again = false;
          await advanceOnce(installation);
        } while (mine.again);
      } finally {
        running.delete(installation);
      }
    })();
    return mine.done;
  }

  async function runOnce(): Promise<number | undefined> {
    try {
      return await look();
    } catch (error) {
      vigil.failed();
      throw error;
    }
  }

  async function look(): Promise<number | undefined> {
    const now = await store.now();
    const due = await documents.gates.query({ index: DUE, range: { field: 'due_at', below: now + 1 }, limit: PAGE });
    vigil.looked(now);
    await Promise.all(due.items.map(({ id }) => advance(id)));
    if (due.nextPageToken !== undefined) return now;
    const [first] = (await documents.gates.query({ index: DUE, limit: 1 })).items;
    const dueAt = first?.data.dueAt;
    return dueAt === undefined ? undefined : Math.max(dueAt, (await store.now()) + PROBE_MS * Number(dueAt <= now));
  }

  const duty: Duty = { name: 'gate-keeper', everyMs: 1_000, runOnce };
  return {
    advance,
    nudge: (installations) => {
      for (const installation of installations) {
        // The duty comes to it by its due time, or when the deadline is there.
        advance(installation).catch((err: unknown) =>
          log.warn({ err, installation }, 'zero is looked for a little later'),
        );
      }
    },
    duty,
  };
}

function isProbed(gate: GateState): gate is GateIn<'draining' | 'confirming'> {
  return gate.phase === 'draining' || gate.phase === 'confirming';
}

type Step = (now: number) => GateCommand;

/** What could be done with the gate now; the domain decides whether it is. Undefined: nothing. */
async function nextStep(
  options: KeeperOptions,
  looked: Map<string, number>,
  { id: installation, data: { gate } }: GateRecord,
): Promise<Step | undefined> {
  const { store, settings, vigil } = options;
  const now = await store.now();
  if (gate.phase === 'closing' && now >= (gate.notice.deadlineAt ?? Infinity)) {
    return (at) => ({ type: 'end', at, giveUpAt: at + settings.drainTimeoutMs });
  }
  const patience = { overdueGraceMs: settings.gateOverdueGraceMs, leaseWatched: vigil.isLongEnough(now) };
  if (isExpired(gate, now, patience)) return (at) => ({ type: 'expire', at, ...patience });
  switch (gate.phase) {
    case 'shutting': {
      const sessions = await countInside(options, installation, gate.closedAt);
      return (at) => ({ type: 'tell', notice: randomId('n'), sessions, at });
    }
    case 'closing':
      return (await countUsers(options.documents, installation)) === 0
        ? proof(options, installation, gate, 0)
        : undefined;
    case 'draining':
    case 'confirming':
      return probe(options, looked, installation, gate, now);
    case 'open':
    case 'quarantined':
    case 'drained':
    case 'confirmed':
    case 'reopening':
      return undefined;
  }
}

function isExpired(gate: GateState, at: number, patience: Patience): boolean {
  return expire(gate, { type: 'expire', at, ...patience }).length > 0;
}

/** Looks for zero, for the second time without exempt users too; what belongs to replicas that are gone does not count. */
async function probe(
  options: KeeperOptions,
  looked: Map<string, number>,
  installation: string,
  gate: GateIn<'draining' | 'confirming'>,
  now: number,
): Promise<Step | undefined> {
  const { ledger, presence, documents } = options;
  await ledger.flush();
  const count = () => (gate.phase === 'draining' ? countUsers : countAll)(documents, installation);
  let sessions = await count();
  if (sessions > 0) {
    await presence.bury(installation);
    const lastLook = looked.get(installation) ?? now;
    if (!looked.has(installation)) looked.set(installation, now);
    if (now - lastLook >= ORPHANS_MS) {
      looked.set(installation, now);
      await presence.removeOrphans(installation);
    }
    sessions = await count();
  }
  return proof(options, installation, gate, sessions);
}

/** Counts first, reads how they left afterwards: whoever is gone has been noted. */
async function proof(
  { sheets }: KeeperOptions,
  installation: string,
  { epoch }: GateState,
  sessions: number,
): Promise<Step> {
  const counts = sessions === 0 ? await sheets.counts(installation, epoch) : NO_COUNTS;
  return (at) => ({ type: 'prove', epoch, sessions, counts, at });
}

/** Nobody asks for them before zero. */
const NO_COUNTS: DrainCounts = { told: 0, acknowledged: 0, read: 0, left: 0, ready: 0, ended: 0 };

function isLoud(event: GateEvent): boolean {
  if (event.type === 'drain-failed') return event.failure.reason !== 'POSTPONED_BY_HOLDS';
  return event.type === 'alarm-raised' || event.type === 'first-start-given-up';
}

function logEvents(log: Logger, known: Known, events: readonly GateEvent[]): void {
  const about = logContextOf(known);
  for (const event of events) {
    const { type } = event;
    if (isLoud(event)) log.error({ ...about, event: type }, 'a person may be needed at the gate');
    else log.info({ ...about, event: type }, 'the gate went on');
  }
}
