import { isRejected, randomId } from '@lastcall/kernel';
import type { Duty, Logger } from '@lastcall/runtime';
import type { Store } from '@lastcall/store';
import { BY_INSTALLATION, DUE, type Documents } from './documents.js';
import type { GateCommand, GateEvent, GateIn, GateState } from './domain/gate-state.js';
import type { GateRecord, Gates } from './gates.js';
import type { Ledger } from './ledger.js';
import type { Presence } from './presence.js';
import type { SessionSettings } from './settings.js';

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
  readonly presence: Presence;
  readonly settings: SessionSettings;
  readonly log: Logger;
}

const PAGE = 100;
/** How often zero is looked for while sessions are leaving. */
const PROBE_MS = 200;
/** How often owners of the remaining documents are looked at closely. */
const ORPHANS_MS = 2_000;

export function createKeeper(options: KeeperOptions): Keeper {
  const { store, documents, gates, log } = options;
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
      logEvents(log, installation, result.events);
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
    const now = await store.now();
    const due = await documents.gates.query({ index: DUE, range: { field: 'due_at', below: now + 1 }, limit: PAGE });
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
  { id: installation, data: { gate, dueAt } }: GateRecord,
): Promise<Step | undefined> {
  const { store, settings } = options;
  const { gateOverdueGraceMs: overdueGraceMs } = settings;
  const now = await store.now();
  const isDue = dueAt !== undefined && dueAt <= now;
  switch (gate.phase) {
    case 'open':
    case 'quarantined':
      return undefined;
    case 'shutting': {
      const sessions = await countSessions(options, installation);
      return (at) => ({ type: 'tell', notice: randomId('n'), sessions, at });
    }
    case 'closing':
      if (now >= (gate.notice.deadlineAt ?? Infinity)) {
        return (at) => ({ type: 'end', at, giveUpAt: at + settings.drainTimeoutMs });
      }
      if (isDue) return (at) => ({ type: 'expire', at, overdueGraceMs });
      return (await countSessions(options, installation)) === 0 ? proof(options, installation, gate) : undefined;
    case 'draining':
    case 'confirming':
      return (await overdueStep(gate, now, overdueGraceMs)) ?? probe(options, looked, installation, gate, now);
    case 'drained':
    case 'confirmed':
    case 'reopening':
      return isDue ? (at) => ({ type: 'expire', at, overdueGraceMs }) : undefined;
  }
}

async function overdueStep(gate: GateState, now: number, overdueGraceMs: number): Promise<Step | undefined> {
  const run = gate.phase !== 'open' && gate.cause.by === 'run' ? gate.cause.run : undefined;
  return run && now >= run.deadlineAt + overdueGraceMs ? (at) => ({ type: 'expire', at, overdueGraceMs }) : undefined;
}

/** Looks for zero; what belongs to replicas that are gone does not count. */
async function probe(
  options: KeeperOptions,
  looked: Map<string, number>,
  installation: string,
  gate: GateIn<'draining' | 'confirming'>,
  now: number,
): Promise<Step | undefined> {
  const { ledger, presence } = options;
  await ledger.flush();
  let sessions = await countSessions(options, installation);
  if (sessions > 0) {
    await presence.bury(installation);
    const lastLook = looked.get(installation) ?? now;
    if (!looked.has(installation)) looked.set(installation, now);
    if (now - lastLook >= ORPHANS_MS) {
      looked.set(installation, now);
      await presence.removeOrphans(installation);
    }
    sessions = await countSessions(options, installation);
  }
  return proof(options, installation, gate, sessions);
}

/** Counts first, tallies afterwards: whoever is gone has been counted. */
async function proof(
  { ledger }: KeeperOptions,
  installation: string,
  { epoch }: GateState,
  sessions = 0,
): Promise<Step> {
  const counts = await ledger.counts(installation, epoch);
  return (at) => ({ type: 'prove', epoch, sessions, counts, at });
}

function countSessions({ documents }: KeeperOptions, installation: string): Promise<number> {
  return documents.sessions.count({ index: BY_INSTALLATION, where: { installation } });
}

const LOUD: ReadonlySet<GateEvent['type']> = new Set(['drain-failed', 'alarm-raised', 'first-start-given-up']);

function logEvents(log: Logger, installation: string, events: readonly GateEvent[]): void {
  for (const { type } of events) {
    if (LOUD.has(type)) log.error({ installation, event: type }, 'a person may be needed at the gate');
    else log.info({ installation, event: type }, 'the gate went on');
  }
}
