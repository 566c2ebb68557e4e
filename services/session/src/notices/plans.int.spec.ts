import type { EventEnvelope, eventsV1 } from '@lastcall/contracts';
import { DAY_MS, HOUR_MS, MINUTE_MS, randomId } from '@lastcall/kernel';
import { createLogger } from '@lastcall/runtime';
import { openStore, type Collection, type Store } from '@lastcall/store';
import { createTempFolder, describeWith, dropMongoDatabase, mongodbUrl, type TempFolder } from '@lastcall/testkit';
import { join } from 'node:path';
import { openDocuments, type Documents } from '../documents.js';
import type { Notice } from '../domain/gate-state.js';
import { DEFAULT_POLICY, type SessionPolicy } from '../domain/installation.js';
import { PLAN_KEPT_MS } from '../domain/plan.js';
import { createGates, type Gates } from '../gates.js';
import { sessionSettings } from '../settings.js';
import { runPlanned } from '../testing/run-events.js';
import { createPlans, plansSpec, type PlanDocument, type Plans } from './plans.js';

/* Plans in a real store, by two replicas at once, with events that come late, twice or out of order. */

interface Replica {
  readonly gates: Gates;
  readonly plans: Plans;
  /** Every state of a gate that this replica wrote. */
  readonly announced: Notice[];
}

function suite(url: () => string): void {
  let folder: TempFolder;
  let store: Store;
  let documents: Documents;
  let plans: Collection<PlanDocument>;
  let replicas: readonly [Replica, Replica];
  const database = randomId('plans').replaceAll('-', '_');
  const never = new AbortController().signal;

  beforeAll(async () => {
    folder = await createTempFolder('plans');
    store = await openStore({ url: url(), file: join(folder.path, 'session.db'), service: 'session', database });
    documents = await openDocuments(store);
    plans = await store.collection(plansSpec);
    replicas = [replica(), replica()];
  });
  afterAll(async () => {
    await store.close();
    if (url() !== '') await dropMongoDatabase(url(), database);
    await folder.remove();
  });

  function replica(): Replica {
    const announced: Notice[] = [];
    const gates = createGates(documents, sessionSettings.parse({}), ({ data: { gate } }) => {
      if (gate.announcement) announced.push(gate.announcement);
    });
    return { gates, announced, plans: createPlans({ store, plans, gates, settleMs: 0, log: createLogger('silent') }) };
  }

  let events = 0;
  function envelope(type: string, source: string, more: Partial<EventEnvelope> = {}): EventEnvelope {
    events++;
    const about = { type, source, sequence: events, installation: '', time: Date.now(), data: new Uint8Array() };
    return { id: `${source}@${events}`, ...about, ...more };
  }

  async function known(policy: Partial<SessionPolicy> = {}): Promise<string> {
    const id = randomId('site');
    await settings(id, policy);
    return id;
  }

  async function settings(id: string, policy: Partial<SessionPolicy>): Promise<void> {
    const facts = { kind: 'multi-user', timeZone: 'UTC', reactionTimeMs: 0, deleted: false } as const;
    const heard = { settings: { ...facts, policy: { ...DEFAULT_POLICY, ...policy } } };
    await replicas[0].gates.hear(id, heard, envelope('InstallationChanged', `catalog/installations/${id}`));
  }

  function hear(installation: string, more: Partial<eventsV1.RunPlanned>, said: Partial<EventEnvelope> = {}, by = 0) {
    const message = runPlanned({ installation, job: 'update', ...more });
    const event = envelope('RunPlanned', `scheduler/plans/${installation}/${message.job}`, said);
    return replicas[by === 0 ? 0 : 1].plans.hear(message, event);
  }

  const kinds = (installation: string) => announcements(installation).map(({ kind }) => kind);
  /** In the order in which they stood, each once. */
  function announcements(installation: string): Notice[] {
    const all = replicas.flatMap(({ announced }) => announced).filter(({ product }) => product === installation);
    const once = new Map(all.map((notice) => [notice.id, notice]));
    return [...once.values()].toSorted((a, b) => a.sentAt - b.sentAt);
  }
  /** The product carries whose it is. */
  const inAWhile = (installation: string, ms: number) => ({
    product: installation,
    startTime: new Date(Date.now() + ms),
  });
  const lookAll = () => Promise.all(replicas.map((r) => r.plans.duty.runOnce(never)));
  const due = (dueAt: number) => (document: PlanDocument | undefined) => {
    if (!document) throw new Error('there is no plan');
    return { write: { ...document, dueAt }, result: undefined };
  };

  it('are announced once, whichever replica looks', async () => {
    const sites = await Promise.all(Array.from({ length: 20 }, () => known()));
    await Promise.all(sites.map((site) => hear(site, inAWhile(site, 2 * DAY_MS))));
    expect(sites.flatMap(kinds)).toEqual([]);
    // All of them come to the same time.
    for (const site of sites) {
      await plans.change(`${site}/update`, (document, { now }) => {
        if (document?.plan.phase !== 'planned') throw new Error('nothing is planned');
        const run = { ...document.plan.run, startAt: now + HOUR_MS };
        return { write: { ...document, plan: { ...document.plan, run }, dueAt: now }, result: undefined };
      });
    }
    await lookAll();
    await lookAll();
    expect(sites.map(kinds)).toEqual(sites.map(() => ['announcement']));
    for (const site of sites) {
      const plan = (await plans.get(`${site}/update`))?.data;
      expect(plan?.plan.saying).toBeUndefined();
      expect(plan?.dueAt).toBeGreaterThan(Date.now() + 40 * MINUTE_MS);
    }
  });

  it('take an event once, and no older one', async () => {
    const site = await known();
    const time = Date.now();
    const soon = inAWhile(site, 30 * MINUTE_MS);
    await hear(site, soon, { sequence: 1_000_007, time });
    await hear(site, inAWhile(site, 45 * MINUTE_MS), { sequence: 1_000_005, time: time - 1 });
    await hear(site, { product: site, end: 'cancelled' }, { sequence: 1_000_006, time }, 1);
    expect(kinds(site)).toEqual(['announcement']);
    // The same once more, then with another number: nothing has changed, and what is older stays older.
    await hear(site, soon, { sequence: 1_000_009, time });
    await hear(site, { product: site, end: 'cancelled' }, { sequence: 1_000_008, time }, 1);
    expect(kinds(site)).toEqual(['announcement']);
    // A job that was created again counts anew.
    await hear(site, { product: site, end: 'cancelled' }, { sequence: 1, time: time + 1 });
    expect((await plans.get(`${site}/update`))?.data.plan).toMatchObject({ phase: 'none' });
  });

  it('come one after the other to one installation, and none of them is lost', async () => {
    const site = await known();
    const jobs = ['a', 'b', 'c'];
    await Promise.all(jobs.map((job, i) => hear(site, { ...inAWhile(site, 30 * MINUTE_MS), job }, {}, i % 2)));
    const until = Date.now() + 30_000;
    while (announcements(site).length < 3 && Date.now() < until) {
      const [next = Infinity] = await lookAll();
      if (next !== undefined && next > Date.now() && announcements(site).length < 3) await arrival(next);
    }
    const times = announcements(site).map(({ sentAt }) => sentAt);
    expect(times).toHaveLength(3);
    expect(times.slice(1).every((at, i) => at - (times[i] ?? 0) >= 3_000)).toBe(true);
    expect((await documents.gates.get(site))?.data.gate.announcement).toBeDefined();
  });

  /** The clock is the store's; the duty's runner waits like this. */
  function arrival(at: number): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, Math.min(5_000, Math.max(0, at - Date.now()))));
  }

  it('follow the settings, and are not told of where nobody is logged off', async () => {
    const site = await known({ announceBeforeMs: [] });
    await hear(site, inAWhile(site, 30 * MINUTE_MS));
    expect(kinds(site)).toEqual([]);
    await settings(site, { announceBeforeMs: [HOUR_MS] });
    await replicas[1].plans.reschedule(site);
    expect(kinds(site)).toEqual(['announcement']);
    const unknown = randomId('site');
    await hear(unknown, inAWhile(unknown, 30 * MINUTE_MS));
    expect(kinds(unknown)).toEqual([]);
  });

  it('do not tell of an end that only a newer scheduler knows', async () => {
    const site = await known();
    await hear(site, inAWhile(site, 30 * MINUTE_MS));
    await hear(site, { product: site, end: 'superseded' });
    expect(kinds(site)).toEqual(['announcement']);
    expect((await plans.get(`${site}/update`))?.data.plan).toMatchObject({ phase: 'none' });
  });

  it('are forgotten long after their end', async () => {
    const site = await known();
    await hear(site, { product: site, end: 'cancelled' });
    expect((await plans.get(`${site}/update`))?.data.plan.phase).toBe('none');
    await plans.change(`${site}/update`, (document, { now }) => {
      if (!document) throw new Error('there is no plan');
      const plan = { phase: 'none', endedAt: now - PLAN_KEPT_MS } as const;
      return { write: { ...document, plan, dueAt: now - 1 }, result: undefined };
    });
    await lookAll();
    expect(await plans.get(`${site}/update`)).toBeUndefined();
    // One that is looked at too soon stays.
    await hear(site, inAWhile(site, 2 * DAY_MS));
    await plans.change(`${site}/update`, due(0));
    await lookAll();
    expect((await plans.get(`${site}/update`))?.data.dueAt).toBeGreaterThan(Date.now() + 23 * HOUR_MS);
  });
}

describe('plans, SQLite', () => suite(() => ''));
describeWith('mongodb', 'plans, MongoDB', () => suite(() => mongodbUrl() ?? ''));
