import { sessionV1 } from '@lastcall/contracts';
import { startStack, type Stack } from '@lastcall/testkit';
import { sessionModule } from './service.js';
import { INSTALLATION } from './testing/run-events.js';
import { GATE, openSite, PARENT, SITE_SETTINGS, type Site } from './testing/site.js';

/*
 * Those who wait for the reopening are woken one after the other, so that their application's server is not overrun.
 */

const { GateState } = sessionV1;
const WAITERS = 100;

let site: Stack & Site;

beforeEach(async () => {
  site = await openSite(await startStack({ modules: [sessionModule], settings: SITE_SETTINGS }));
});
afterEach(() => site.stop());

async function shut(): Promise<void> {
  await site.operator().closeGate({ name: GATE, reason: 'New disks.', reactionTime: { seconds: 0n, nanos: 0 } });
  await site.gateUntil(({ phase }) => phase === 'drained');
}

interface Waiter {
  readonly waiting: Promise<void>;
  /** Resolves with the first word, that the gate is shut. */
  readonly refused: Promise<void>;
  /** By this process's clock. */
  openedAt: number;
}

function wait(): Waiter {
  const client = site.client(sessionV1.SessionServiceService, 'client', INSTALLATION);
  let say = (): void => undefined;
  const refused = new Promise<void>((resolve) => (say = resolve));
  const read = async (): Promise<void> => {
    for await (const { open } of client.waitForReopening({ name: PARENT, host: '', language: '' })) {
      if (open) waiter.openedAt = performance.now();
      say();
    }
  };
  const waiter: Waiter = { refused, openedAt: 0, waiting: read() };
  return waiter;
}

it('spreads them evenly over the time that the installation gives a thousand', async () => {
  await site.setPolicy({ reopeningRamp: { seconds: 20n, nanos: 0 } });
  await shut();
  const waiters: Waiter[] = [];
  for (let i = 0; i < WAITERS; i++) {
    const waiter = wait();
    await waiter.refused;
    waiters.push(waiter);
  }
  const opened = performance.now();
  await site.operator().openGate({ name: GATE, reason: 'done' });
  await Promise.all(waiters.map(({ waiting }) => waiting));
  const times = waiters.map(({ openedAt }) => openedAt - opened).sort((a, b) => a - b);
  const first = times[0] ?? 0;
  const last = times.at(-1) ?? 0;
  // A hundred of a thousand: a tenth of twenty seconds.
  expect(last - first).toBeGreaterThanOrEqual(1_900);
  expect(last - first).toBeLessThan(10_000);
  const half = times.filter((time) => time - first < (last - first) / 2).length;
  expect(half).toBeGreaterThan(WAITERS * 0.35);
  expect(half).toBeLessThan(WAITERS * 0.65);
});

it('lets who waits alone go at once, and all of them where no ramp is wanted', async () => {
  await shut();
  const alone = wait();
  await alone.refused;
  const opened = performance.now();
  await site.operator().openGate({ name: GATE, reason: 'done' });
  await alone.waiting;
  expect(alone.openedAt - opened).toBeLessThan(5_000);

  await site.setPolicy({ reopeningRamp: { seconds: 0n, nanos: 0 } });
  await shut();
  const waiters = Array.from({ length: 50 }, wait);
  await Promise.all(waiters.map(({ refused }) => refused));
  const reopened = performance.now();
  await site.operator().openGate({ name: GATE, reason: 'done' });
  await Promise.all(waiters.map(({ waiting }) => waiting));
  for (const { openedAt } of waiters) expect(openedAt - reopened).toBeLessThan(5_000);
});

it('looks again when the gate was shut while others went', async () => {
  await site.setPolicy({ reopeningRamp: { seconds: 600n, nanos: 0 } });
  await shut();
  const waiters = [wait(), wait(), wait(), wait(), wait(), wait()];
  await Promise.all(waiters.map(({ refused }) => refused));
  await site.operator().openGate({ name: GATE, reason: 'done' });
  await waiters[0]?.waiting;
  await shut();
  const open = waiters.filter(({ openedAt }) => openedAt > 0);
  expect(open.length).toBeLessThan(waiters.length);
  expect((await site.gate()).state).toBe(GateState.CLOSED);
  await site.setPolicy({ reopeningRamp: { seconds: 0n, nanos: 0 } });
  await site.operator().openGate({ name: GATE, reason: 'done' });
  await Promise.all(waiters.map(({ waiting }) => waiting));
});
