import { createManualClock } from '@lastcall/kernel';
import { FilledOutboxes } from './filled-outboxes.js';

describe('where a relay looks for events', () => {
  const clock = createManualClock();
  const all = new Set(['gates', 'sessions', 'tallies']);
  let outboxes: FilledOutboxes;
  beforeEach(() => {
    outboxes = new FilledOutboxes(() => clock.now());
  });

  async function look(found: readonly string[] = []): Promise<readonly string[]> {
    let looked: readonly string[] = [];
    await outboxes.read(all, async (names) => {
      looked = names;
      return found;
    });
    return looked;
  }

  it('is everywhere at first, and whenever this process has written nothing', async () => {
    expect(await look()).toEqual([...all]);
    expect(await look()).toEqual([...all]);
  });

  it('is where this process has written, until nothing is found there', async () => {
    await look();
    outboxes.filled('gates');
    expect(await look(['event'])).toEqual(['gates']);
    expect(await look()).toEqual(['gates']);
    expect(await look()).toEqual([...all]);
  });

  it('is everywhere again after a second of nothing but own writes', async () => {
    await look();
    outboxes.filled('gates');
    clock.advance(999);
    expect(await look(['event'])).toEqual(['gates']);
    clock.advance(1);
    expect(await look(['event'])).toEqual([...all]);
    expect(await look(['event'])).toEqual(['gates']);
  });

  it('forgets neither what is written while it looks, nor what it could not read', async () => {
    await look();
    outboxes.filled('gates');
    await outboxes.read(all, async () => {
      outboxes.filled('tallies');
      return [];
    });
    expect(await look()).toEqual(['tallies']);
    outboxes.filled('gates');
    await expect(outboxes.read(all, () => Promise.reject(new Error('away')))).rejects.toThrow('away');
    expect(await look()).toEqual(['gates']);
  });
});
