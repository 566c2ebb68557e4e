import { eventsV1, outgoing } from '@lastcall/contracts';
import { openStore, type Collection, type Store } from '@lastcall/store';
import { countWrites } from './count-writes.js';
import { noTelemetry, type Telemetry } from './telemetry.js';

interface Note {
  readonly text: string;
}

describe('a store that counts its writes', () => {
  let plain: Store;
  let store: Store;
  let notes: Collection<Note>;
  let counted: string[] = [];
  const telemetry: Telemetry = {
    ...noTelemetry,
    count: (name, { service, kind }) => void counted.push(`${name} ${service} ${kind}`),
  };
  beforeEach(async () => {
    plain = await openStore({ url: '', file: ':memory:', service: 'scheduler', database: '' });
    store = countWrites(plain, 'scheduler', telemetry);
    notes = await store.collection<Note>({
      name: 'notes',
      fields: ({ text }) => ({ text }),
      indexes: [{ name: 'by_text', fields: ['text'] }],
    });
    counted = [];
  });
  afterEach(() => plain.close());

  const event = outgoing('RunFinished', 'berlin', eventsV1.RunFinished.create({}));
  const say = (id: string): Promise<void> =>
    notes.change(id, () => ({ write: { text: 'a' }, events: [event], result: undefined }));

  it('is the store itself when nobody counts', () => expect(countWrites(plain, 'scheduler', noTelemetry)).toBe(plain));

  it('counts each kind, and does what the store does', async () => {
    await say('one');
    const [pending] = await store.pendingEvents(10);
    if (!pending) throw new Error('nothing is pending');
    await store.archive(pending);
    await store.clearEvent(pending);
    expect((await store.archivedEvents({ fromAt: 0, limit: 10 })).items).toEqual([pending]);
    expect(await notes.take('one', pending, () => ({ write: { text: 'b' }, result: 7 }))).toEqual({
      taken: true,
      result: 7,
    });
    expect(await notes.insertMany([{ id: 'two', data: { text: 'c' } }])).toEqual([]);
    expect(await notes.remove('two')).toBe(true);
    expect(await notes.removeMany(['one'])).toBe(1);
    expect(counted.map((line) => line.split(' ').at(-1))).toEqual([
      'document',
      'archive',
      'outbox',
      'document',
      'document',
      'document',
      'document',
    ]);
    expect(counted[0]).toBe('store_writes scheduler document');
  });

  it('does not count what changed nothing', async () => {
    await say('one');
    const [pending] = await store.pendingEvents(10);
    if (!pending) throw new Error('nothing is pending');
    const step = () => ({ write: { text: 'b' }, result: undefined });
    await notes.take('one', pending, step);
    counted = [];
    expect(await notes.change('one', () => ({ keep: 1 }))).toBe(1);
    expect(await notes.take('one', pending, step)).toEqual({ taken: false });
    expect(await notes.insertMany([{ id: 'one', data: { text: 'c' } }])).toEqual(['one']);
    expect(await notes.remove('no')).toBe(false);
    expect(await notes.removeMany(['no'])).toBe(0);
    expect(await notes.get('one')).toMatchObject({ data: { text: 'b' } });
    expect(await notes.count({ index: 'by_text' })).toBe(1);
    expect(counted).toEqual([]);
  });
});
