import type { sessionV1 } from '@lastcall/contracts';
import { createManualClock, DAY_MS, HOUR_MS, MINUTE_MS } from '@lastcall/kernel';
import { CODE } from '@lastcall/sdk';
import { openStore, type Store } from '@lastcall/store';
import { createTempFolder, describeWith, startStack, until, type Stack, type TempFolder } from '@lastcall/testkit';
import { join } from 'node:path';
import { openDocuments, type Documents } from './documents.js';
import { QUARTER_MS, type History } from './domain/history.js';
import { initialGate, type GateState } from './domain/gate-state.js';
import { DEFAULT_POLICY, type InstallationFacts } from './domain/installation.js';
import { createHistories, type Histories } from './histories.js';
import { localQuarterAt, namesOfSlot } from './local-quarter.js';
import { startPair, type Backing, type Pair } from './testing/pair.js';
import { INSTALLATION } from './testing/run-events.js';

const PARENT = `installations/${INSTALLATION}`;
const ZONE = 'Europe/Berlin';
const NOON = Date.parse('2026-11-24T11:00:00Z');
const FACTS: InstallationFacts = {
  ...{ kind: 'multi-user', timeZone: ZONE, reactionTimeMs: 0, policy: DEFAULT_POLICY, deleted: false, sequence: 1 },
};

describe('what is counted', () => {
  const clock = createManualClock();
  let folder: TempFolder;
  let store: Store;
  let documents: Documents;
  let histories: Histories;

  /** The service begins, with what the file has. */
  async function begin(): Promise<void> {
    store = await openStore({
      url: '',
      file: join(folder.path, 'session.db'),
      service: 'session',
      database: '',
      clock,
    });
    documents = await openDocuments(store);
    histories = createHistories({ store, documents });
  }
  beforeEach(async () => {
    clock.set(NOON + 1);
    folder = await createTempFolder('history');
    await begin();
    await known({});
  });
  afterEach(async () => {
    await store.close();
    await folder.remove();
  });

  async function known(facts: Partial<InstallationFacts>, gate: GateState = initialGate): Promise<void> {
    await documents.gates.change('berlin', (_, { now }) => ({
      write: { facts: { ...FACTS, ...facts }, gate, changedAt: now },
      result: undefined,
    }));
  }
  async function inside(users: number): Promise<void> {
    const { items } = await documents.sessions.query({ index: 'by_installation', limit: 1_000 });
    await documents.sessions.removeMany(items.map(({ id }) => id));
    const one = { installation: 'berlin', attachment: 1, displayName: '', host: 'ts1', version: '', clientKind: '' };
    const more = { ...one, secretHash: '', replica: 'rep', epoch: 0, createdAt: 0 };
    await documents.sessions.insertMany(
      Array.from({ length: users }, (_, i) => ({ id: `s${i}.1`, data: { ...more, session: `s${i}`, user: `u${i}` } })),
    );
  }
  const look = () => histories.duty.runOnce(new AbortController().signal);
  /** Every quarter hour of the time until then is looked at. */
  async function lookUntil(at: number): Promise<void> {
    while (clock.now() < at) {
      clock.set(Math.min(at, (Math.floor(clock.now() / QUARTER_MS) + 1) * QUARTER_MS));
      await look();
    }
  }
  /** What was counted, by week and time. */
  async function table(): Promise<Record<string, number>> {
    const history = await histories.get('berlin');
    const entries = (history?.weeks ?? []).flatMap(({ monday, counts }) =>
      counts.flatMap((count, slot) => {
        const { weekday, time } = namesOfSlot(slot);
        return count === null ? [] : [[`${monday} ${weekday} ${time}`, count] as const];
      }),
    );
    return Object.fromEntries(entries);
  }

  it('is each quarter hour once, from the first whole one on', async () => {
    await inside(3);
    await look();
    expect(await table()).toEqual({});
    clock.set(NOON + QUARTER_MS);
    await look();
    await inside(9);
    clock.advance(5 * MINUTE_MS);
    await look();
    clock.set(NOON + 2 * QUARTER_MS);
    await look();
    expect(await table()).toEqual({ '2026-11-23 tue 12:15': 3, '2026-11-23 tue 12:30': 9 });
  });

  it('goes on after a restart, and leaves out the time between', async () => {
    await look();
    await lookUntil(NOON + QUARTER_MS);
    await store.close();
    clock.set(NOON + 3 * HOUR_MS + 7 * MINUTE_MS);
    await begin();
    await inside(2);
    await look();
    expect(await table()).toEqual({ '2026-11-23 tue 12:15': 0, '2026-11-23 tue 15:00': 2 });
  });

  it('does not stop when the clock was a year ahead and is set right', async () => {
    await look();
    clock.advance(365 * DAY_MS);
    await look();
    expect(Object.keys(await table())).toHaveLength(1);
    clock.set(NOON + QUARTER_MS);
    await inside(4);
    await look();
    expect(await table()).toEqual({ '2026-11-23 tue 12:15': 4 });
  });

  it('has the hour that comes twice once, with the higher number, and not the one that is left out', async () => {
    clock.set(Date.parse('2026-10-24T23:50:00Z'));
    await look();
    await inside(5);
    await lookUntil(Date.parse('2026-10-25T00:45:00Z'));
    await inside(3);
    await lookUntil(Date.parse('2026-10-25T02:00:00Z'));
    const five = ['02:00', '02:15', '02:30', '02:45'].map((time) => [`2026-10-19 sun ${time}`, 5]);
    expect(await table()).toEqual({ ...Object.fromEntries(five), '2026-10-19 sun 03:00': 3 });

    clock.set(Date.parse('2027-03-28T00:40:00Z'));
    await look();
    await lookUntil(Date.parse('2027-03-28T01:15:00Z'));
    const times = Object.keys(await table()).filter((name) => name.startsWith('2027'));
    expect(times.map((name) => name.slice(-5))).toEqual(['01:30', '01:45', '03:00', '03:15']);
  });

  it('is nothing while the gate is not open', async () => {
    await look();
    await known({}, { ...initialGate, phase: 'draining' } as unknown as GateState);
    await lookUntil(NOON + QUARTER_MS);
    expect(await table()).toEqual({});
    expect((await histories.get('berlin'))?.dueAt).toBe(NOON + 2 * QUARTER_MS);
  });

  it('goes with its installation, and is not begun for a single seat', async () => {
    await look();
    await known({ deleted: true });
    await lookUntil(NOON + QUARTER_MS);
    expect(await histories.get('berlin')).toBeUndefined();
    await known({ kind: 'single-user' });
    await histories.begin('berlin');
    expect(await histories.get('berlin')).toBeUndefined();
    await known({});
    await histories.begin('berlin');
    expect(await histories.get('berlin')).toMatchObject({ weeks: [], timeZone: ZONE });
  });

  it('stays below 33 KiB, whatever it had', async () => {
    await inside(900);
    await look();
    const full: number[] = Array.from({ length: 672 }, () => 19_999);
    const weeks = Array.from({ length: 20 }, (_, i) => {
      const monday = new Date(Date.parse('2026-11-23') - (19 - i) * 7 * DAY_MS).toISOString().slice(0, 10);
      return { monday, counts: full };
    });
    await documents.histories.change('berlin', (current) =>
      current ? { write: { ...current, weeks }, result: undefined } : { keep: undefined },
    );
    await lookUntil(NOON + QUARTER_MS);
    const history = await histories.get('berlin');
    expect(history?.weeks).toHaveLength(8);
    expect(JSON.stringify(history).length).toBeLessThan(33 * 1_024);
  });
});

function suite(backing: Backing): void {
  let pair: Pair<Stack>;
  beforeAll(async () => {
    pair = await startPair(startStack, { backing });
  });
  afterAll(() => pair.stop());

  const ask = (quarterHours: readonly sessionV1.QuarterHour[], parent = PARENT) =>
    pair.operator(pair.second).getSessionHistory({ parent, quarterHours: [...quarterHours] });
  const change = (write: (current: History) => History) =>
    pair.documents.histories.change(INSTALLATION, (current) =>
      current ? { write: write(current), result: undefined } : { keep: undefined },
    );

  it('is begun with the installation and counted by whichever replica comes first', async () => {
    await until(async () => (await pair.documents.histories.get(INSTALLATION)) !== undefined, 'the history');
    const doors = [pair.first, pair.second];
    const inside = await Promise.all(
      [0, 1, 2].map((i) => pair.attached(doors[i % 2]!, { user: `u${i}`, host: 'ts1' })),
    );
    // Two replicas whose duties run at the same moment.
    const store = pair.first.store('session');
    const { documents } = pair;
    const duties = [0, 1].map(() => createHistories({ store, documents }).duty);
    await change((current) => ({ ...current, dueAt: current.dueAt - QUARTER_MS }));
    const before = (await documents.histories.get(INSTALLATION))?.version ?? 0;
    await Promise.all(duties.map((duty) => duty.runOnce(new AbortController().signal)));
    const after = await documents.histories.get(INSTALLATION);
    expect(after?.version).toBe(before + 1);
    expect(after?.data.weeks.flatMap((w) => w.counts.filter((n) => n !== null))).toEqual([3]);

    const { usage, weeks } = await ask([]);
    expect(usage).toMatchObject([{ usual: 3, peak: 3, weeks: 1 }]);
    expect(weeks).toBe(1);
    for (const { client } of inside) client.cut();
  });

  it('says what is usual and the most, and where there is nothing', async () => {
    const { monday } = localQuarterAt(await pair.first.store('session').now(), ZONE);
    const week = (weeksAgo: number, count: number) => ({
      monday: new Date(Date.parse(monday) - weeksAgo * 7 * DAY_MS).toISOString().slice(0, 10),
      counts: Array.from({ length: 672 }, (_, slot) => (slot === 4 * 8 ? count : null)),
    });
    await change((current) => ({ ...current, weeks: [week(3, 51), week(2, 37), week(1, 38), week(9, 500)] }));
    const { usage, weeks } = await ask([
      { weekday: 'mon', time: '08:00' },
      { weekday: 'sun', time: '03:15' },
    ]);
    expect(usage).toEqual([
      { quarterHour: { weekday: 'mon', time: '08:00' }, usual: 38, peak: 51, weeks: 3 },
      { quarterHour: { weekday: 'sun', time: '03:15' }, usual: 0, peak: 0, weeks: 0 },
    ]);
    expect(weeks).toBe(3);
  });

  it('names all that is wrong with a question', async () => {
    const wrong = ask([
      { weekday: 'Monday', time: '08:00' },
      { weekday: 'mon', time: '08:15' },
      { weekday: 'mon', time: '8:10' },
    ]);
    await expect(wrong).rejects.toMatchObject({
      code: CODE.invalidArgument,
      violations: [{ field: 'quarter_hours[0]' }, { field: 'quarter_hours[2]' }],
    });
    await expect(ask([], 'installations/nowhere')).rejects.toMatchObject({ code: CODE.notFound });
  });
}

describe('the history, embedded', () => suite('embedded'));
describeWith('nats', 'the history', () => describeWith('mongodb', 'distributed', () => suite('distributed')));
