import { openBus, type Bus } from '@lastcall/bus';
import { eventsV1, outgoing } from '@lastcall/contracts';
import { openStore, type Collection, type Store } from '@lastcall/store';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createManualTimers } from '../duties/manual-timers.js';
import { createLogger } from '../logging.js';
import { noTelemetry, type Telemetry } from '../telemetry/telemetry.js';
import { createArchiveReplay } from './archive-replay.js';
import { createOutboxRelay } from './outbox-relay.js';

/* Real store, real bus; the journal of the bus is thrown away. The same on NATS: tools/e2e/src/own-data-drills.int.spec.ts. */

const never = new AbortController().signal;
let dir: string;
let store: Store;
let bus: Bus;
let runs: Collection<{ n: number }>;

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lastcall-replay-'));
  store = await openStore({ url: '', file: join(dir, 's.db'), service: 'scheduler', database: '' });
  runs = await store.collection<{ n: number }>({ name: 'runs', fields: () => ({}), indexes: [] });
  await open();
});
afterEach(async () => {
  await Promise.all([bus.close(), store.close()]);
  rmSync(dir, { recursive: true });
});

async function open(): Promise<void> {
  bus = await openBus({ url: '', file: join(dir, 'bus.db'), prefix: 'test' });
}

async function loseBus(): Promise<void> {
  await bus.close();
  for (const end of ['', '-wal', '-shm']) rmSync(join(dir, `bus.db${end}`), { force: true });
  await open();
}

function parts(telemetry: Telemetry = noTelemetry) {
  return { service: 'scheduler', store, bus, log: createLogger('silent'), telemetry, timers: createManualTimers() }; // prettier-ignore
}

async function say(document: string): Promise<void> {
  const event = outgoing('RunFinished', 'a', eventsV1.RunFinished.create({}));
  await runs.change(document, (run) => ({ write: { n: (run?.n ?? 0) + 1 }, events: [event], result: undefined }));
  await createOutboxRelay(parts()).runOnce(never);
}

/** What a new consumer is given, up to the event that this test says last. */
async function given(): Promise<string[]> {
  const ids: string[] = [];
  const last = Promise.withResolvers<void>();
  const handle = async ({ id, source }: { id: string; source: string }): Promise<void> => {
    if (source.endsWith('/last')) last.resolve();
    else ids.push(id);
  };
  const consumer = { name: `reader-${Math.random()}`, types: ['RunFinished'] as const, handle };
  const subscription = await bus.consume({ ...consumer, deadLetter: async () => undefined });
  await say('last');
  await last.promise;
  await subscription.stop();
  return ids;
}

it('publishes the archive again when the bus has lost its events, once, in the order of each document', async () => {
  for (const document of ['a', 'b', 'a', 'a']) await say(document);
  const counted: string[] = [];
  const count: Telemetry['count'] = (name, { service, type }) => void counted.push(`${name} ${service} ${type}`);
  const replay = async (): Promise<number> =>
    (await createArchiveReplay(parts({ ...noTelemetry, count }))).runOnce(never);
  expect(await replay()).toBe(0); // The first look: nothing to compare with.
  await loseBus();
  expect(await replay()).toBe(4);
  expect(await replay()).toBe(0);
  expect(counted).toEqual(Array(4).fill('events_replayed scheduler RunFinished'));
  const ids = await given();
  expect(ids.filter((id) => id.includes('/a@'))).toEqual([1, 2, 3].map((n) => `scheduler/runs/a@${n}`));
  expect(ids).toHaveLength(4);
});

it('begins again when it was interrupted, and does nothing for a bus that was only opened anew', async () => {
  for (let i = 0; i < 3; i++) await say(`r-${i}`);
  const replay = await createArchiveReplay(parts());
  await replay.runOnce(never);
  await bus.close();
  await open();
  expect(await (await createArchiveReplay(parts())).runOnce(never)).toBe(0);
  await loseBus();
  const interrupted = await createArchiveReplay(parts());
  expect(await interrupted.runOnce(AbortSignal.abort())).toBe(0);
  expect(await interrupted.runOnce(never)).toBe(3);
});
