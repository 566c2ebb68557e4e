import { openBus, type Bus } from '@lastcall/bus';
import { eventsV1, outgoing, type EventEnvelope } from '@lastcall/contracts';
import { openStore, type Collection, type Store } from '@lastcall/store';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createManualTimers, settle } from '../duties/manual-timers.js';
import { createLogger } from '../logging.js';
import { noTelemetry, type Telemetry } from '../telemetry/telemetry.js';
import { createOutboxRelay, type OutboxRelay } from './outbox-relay.js';

/*
 * Real store, real bus. Faults of the bus are those of a bus that is closed and opened again on its journal.
 */

let dir: string;
let store: Store;
let runs: Collection<{ n: number }>;
const buses: Bus[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lastcall-relay-'));
  store = await openStore({ url: '', file: join(dir, 's.db'), service: 'scheduler', database: '' });
  runs = await store.collection<{ n: number }>({ name: 'runs', fields: () => ({}), indexes: [] });
});
afterEach(async () => {
  await Promise.all(buses.splice(0).map((bus) => bus.close()));
  await store.close();
  rmSync(dir, { recursive: true });
});

async function open(): Promise<Bus> {
  const bus = await openBus({ url: '', file: join(dir, 'bus.db'), prefix: 'test' });
  buses.push(bus);
  return bus;
}

async function say(document: string): Promise<void> {
  const event = outgoing('RunFinished', 'a', eventsV1.RunFinished.create({}));
  await runs.change(document, (run) => ({ write: { n: (run?.n ?? 0) + 1 }, events: [event], result: undefined }));
}

function relayTo(bus: Bus, timers = createManualTimers(), telemetry: Telemetry = noTelemetry): OutboxRelay {
  return createOutboxRelay({
    service: 'scheduler',
    store,
    bus,
    log: createLogger('silent'),
    telemetry,
    timers,
  });
}

/** Everything that a new durable consumer is given until `count` came. */
async function consumed(bus: Bus, count: number): Promise<EventEnvelope[]> {
  const events: EventEnvelope[] = [];
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const subscription = await bus.consume({
    name: 'reader',
    types: ['RunFinished'],
    handle: async (event) => void (events.push(event) === count && finish()),
    deadLetter: async () => undefined,
  });
  await finished;
  await subscription.stop();
  return events;
}

const signal = new AbortController().signal;

describe('the outbox relay', () => {
  it('publishes in the order of each document, archives and clears', async () => {
    const bus = await open();
    const reading = consumed(bus, 40);
    for (let i = 0; i < 10; i++) for (const document of ['a', 'b', 'c', 'd']) await say(document);
    await relayTo(bus).runOnce(signal);
    const events = await reading;
    for (const document of ['a', 'b', 'c', 'd']) {
      const own = events.filter((event) => event.source === `scheduler/runs/${document}`);
      expect(own.map((event) => event.sequence)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    }
    expect(await store.pendingEvents(100)).toEqual([]);
    expect((await store.archivedEvents({ fromAt: 0, limit: 100 })).items).toHaveLength(40);
  });

  it('keeps everything while the bus is away, and loses and doubles nothing', async () => {
    const away = await open();
    await away.close();
    await say('a');
    await say('a');
    const timers = createManualTimers();
    const said = { relay_failures: 0, outbox_pending: 0 };
    const telemetry: Telemetry = {
      ...noTelemetry,
      count: (name) => void (name === 'relay_failures' && said[name]++),
      set: (name, value) => void (name === 'outbox_pending' && (said[name] = value)),
    };
    const relay = relayTo(away, timers, telemetry);
    await relay.start?.();
    await timers.advance(5_000);
    expect(said.outbox_pending).toBe(2);
    expect(said.relay_failures).toBeGreaterThan(1);
    expect((await store.pendingEvents(100)).map((event) => event.sequence)).toEqual([1, 2]);
    await relay.stop?.();
    expect(await store.pendingEvents(100)).toHaveLength(2);

    const bus = await open();
    const reading = consumed(bus, 2);
    const back = relayTo(bus, createManualTimers(), telemetry);
    await back.runOnce(signal);
    await back.runOnce(signal);
    expect(said.outbox_pending).toBe(0);
    expect((await reading).map((event) => event.id)).toEqual(['scheduler/runs/a@1', 'scheduler/runs/a@2']);
    expect(await store.pendingEvents(100)).toEqual([]);
  });

  it('is harmless beside a second one', async () => {
    const bus = await open();
    const reading = consumed(bus, 60);
    for (let i = 0; i < 20; i++) for (const document of ['a', 'b', 'c']) await say(document);
    await Promise.all([relayTo(bus).runOnce(signal), relayTo(bus).runOnce(signal), relayTo(bus).runOnce(signal)]);
    expect(new Set((await reading).map((event) => event.id)).size).toBe(60);
    expect(await store.pendingEvents(100)).toEqual([]);
  });

  it('is woken by a write, and empties the outbox before it stops', async () => {
    const bus = await open();
    const reading = consumed(bus, 2);
    const timers = createManualTimers();
    const relay = relayTo(bus, timers);
    await relay.start?.();
    await settle();
    await say('a');
    await say('b');
    await relay.stop?.();
    expect((await reading).map((event) => event.source).toSorted()).toEqual(['scheduler/runs/a', 'scheduler/runs/b']);
    expect(await store.pendingEvents(100)).toEqual([]);
  });
});
