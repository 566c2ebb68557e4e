import { openBus, type Bus } from '@lastcall/bus';
import { createManualClock, HOUR_MS } from '@lastcall/kernel';
import { openStore, type Store } from '@lastcall/store';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createManualTimers, type ManualTimers } from '../duties/manual-timers.js';
import { createLogger } from '../logging.js';
import { createRevocations, type Revocations } from './revocations.js';

const clock = createManualClock();
let dir: string;
let store: Store;
let bus: Bus;
let timers: ManualTimers;
const replicas: Revocations[] = [];

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'lastcall-revocations-'));
  store = await openStore({ url: '', file: join(dir, 's.db'), service: 'session', database: '', clock });
  bus = await openBus({ url: '', file: join(dir, 'bus.db'), prefix: 'test' });
  timers = createManualTimers();
});
afterEach(async () => {
  for (const one of replicas.splice(0)) await one.stop?.();
  await bus.close();
  await store.close();
  rmSync(dir, { recursive: true });
});

async function replica(): Promise<Revocations> {
  const options = { store, bus, service: 'session' as const, log: createLogger('silent'), timers, clock };
  const started = await createRevocations(options);
  replicas.push(started);
  await started.start?.();
  return started;
}

describe('revoked credentials', () => {
  it('are refused by whoever revokes at once, by the others soon, and after a start', async () => {
    const [here, there] = [await replica(), await replica()];
    await here.revoke('tok-1', clock.now() + HOUR_MS);
    await here.revoke('tok-1', clock.now() + HOUR_MS);
    expect(here.isRevoked('tok-1')).toBe(true);
    await there.refresh();
    expect(there.isRevoked('tok-1')).toBe(true);
    expect((await replica()).isRevoked('tok-1')).toBe(true);
    expect(here.isRevoked('tok-2')).toBe(false);
  });

  it('are found by looking when the broadcast was lost', async () => {
    const there = await replica();
    const elsewhere = await openBus({ url: '', file: join(dir, 'other-bus.db'), prefix: 'other' });
    const lonely = await createRevocations({
      store,
      bus: elsewhere,
      service: 'session',
      log: createLogger('silent'),
      timers: createManualTimers(),
      clock,
    });
    await lonely.revoke('tok-1', clock.now() + HOUR_MS);
    expect(there.isRevoked('tok-1')).toBe(false);
    await timers.advance(4_000);
    // The look is under way; another one waits for its turn behind it.
    await there.refresh();
    expect(there.isRevoked('tok-1')).toBe(true);
    await elsewhere.close();
  });

  it('are forgotten when they would have ended by themselves', async () => {
    const here = await replica();
    await here.revoke('short', clock.now() + 1_000);
    await here.revoke('long', clock.now() + 9 * HOUR_MS);
    clock.advance(3 * HOUR_MS);
    await here.refresh();
    expect([here.isRevoked('short'), here.isRevoked('long')]).toEqual([false, true]);
    expect((await replica()).isRevoked('long')).toBe(true);
  });
});
