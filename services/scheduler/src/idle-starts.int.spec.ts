import { MINUTE_MS } from '@lastcall/kernel';
import { openStore, type Document, type Store } from '@lastcall/store';
import { jobDocumentId, openDocuments, type Documents, type JobDocument } from './documents.js';
import { LOOK_EVERY_MS } from './domain/idle-watch.js';
import { createIdleStarts, idleFiringId, type IdleAnswer } from './idle-starts.js';
import { sampleDefinition } from './testing/sample-definition.js';

/*
 * Several replicas that look at the users of one job, one after the other and at once, from what stands in its document.
 */

const OPENS = Date.parse('2026-11-28T20:00:00Z');
const CLOSES = Date.parse('2026-11-28T23:00:00Z');
const ID = jobDocumentId('berlin', 'quiet');

let store: Store;
let documents: Documents;
let users: number | undefined;
beforeEach(async () => {
  store = await openStore({ url: '', file: ':memory:', service: 'scheduler', database: '' });
  documents = await openDocuments(store);
  users = 0;
  const window = { windowOpens: '2026-11-28T20:00:00', windowCloses: '2026-11-28T23:00:00' };
  const definition = sampleDefinition({ start: { kind: 'when-idle', idleMinutes: 2, ...window } });
  const state = { phase: 'enabled', definition, revision: 3, dueAt: OPENS, enabledBy: 'anna' } as const;
  const more = { product: 'encore', timeZone: 'UTC', createdAt: 0, confirmedCautions: [] };
  await documents.jobs.insertMany([{ id: ID, data: { installation: 'berlin', job: 'quiet', state, ...more } }]);
});
afterEach(() => store.close());

async function stored(): Promise<Document<JobDocument>> {
  const found = await documents.jobs.get(ID);
  if (!found) throw new Error('the job is gone');
  return found;
}
async function dueAt(): Promise<number> {
  const { state } = (await stored()).data;
  return state.phase === 'enabled' ? state.dueAt : 0;
}
/** Each look by another replica, which has nothing but the document. */
const look = async (now: number, document?: Document<JobDocument>): Promise<IdleAnswer> =>
  createIdleStarts(documents, async () => users).look(document ?? (await stored()), now);

/** Looks at each due time until the job is due or over. */
async function lookOn(until: number): Promise<{ at: number; answer: IdleAnswer }> {
  for (;;) {
    const at = await dueAt();
    const answer = await look(at);
    if (answer.due || answer.missed !== undefined || at >= until) return { at, answer };
  }
}

it('is due once nobody was there for so long, whoever looks', async () => {
  expect(await lookOn(CLOSES)).toEqual({ at: OPENS + 2 * MINUTE_MS, answer: { due: true } });
});

it('begins anew with everybody who comes, and with an answer that cannot be had', async () => {
  await lookOn(OPENS + MINUTE_MS);
  users = 4;
  await lookOn(OPENS + 90_000);
  users = undefined;
  await lookOn(OPENS + 10 * MINUTE_MS);
  users = 0;
  const { at, answer } = await lookOn(CLOSES);
  expect([answer, at >= OPENS + 12 * MINUTE_MS]).toEqual([{ due: true }, true]);
});

it('is missed when the window closes, with how near it came', async () => {
  await lookOn(OPENS + MINUTE_MS);
  users = 1;
  const { at, answer } = await lookOn(CLOSES);
  const text = 'its window closed before nobody had been logged in for 2 min; the longest such time was 1 min';
  expect([at, answer]).toEqual([CLOSES, { due: false, missed: text }]);
});

it('takes one look of two replicas at the same due time', async () => {
  const seen = await stored();
  await Promise.all([look(OPENS, seen), look(OPENS + 5_000, seen)]);
  const next = await dueAt();
  expect([OPENS + LOOK_EVERY_MS, OPENS + 5_000 + LOOK_EVERY_MS]).toContain(next);
  await look(OPENS + 60_000, seen);
  expect(await dueAt()).toBe(next);
});

it('goes on with a firing that was written before a crash, although somebody is there now', async () => {
  const firing = { installation: 'berlin', job: 'quiet', nominalAt: OPENS, by: 'anna', lateWithinMs: 1 };
  const data = { ...firing, fate: 'pending', run: '', reason: '' } as const;
  await documents.firings.insertMany([{ id: idleFiringId('berlin', 'quiet', 3), data }]);
  users = 7;
  expect(await look(OPENS)).toEqual({ due: true });
});
