import { lookUp } from './lookups.js';

describe('many questions', () => {
  it('are asked few at a time, each once, and answered in their order', async () => {
    let now = 0;
    let most = 0;
    const asked: number[] = [];
    const ask = async (item: number): Promise<number> => {
      asked.push(item);
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
      return -item;
    };
    const items = Array.from({ length: 100 }, (_, i) => i);
    expect(await lookUp(items, ask)).toEqual(items.map((item) => -item));
    expect(asked).toEqual(items);
    expect(most).toBe(16);
    expect(await lookUp([], ask)).toEqual([]);
  });

  it('fail when one of them does', async () => {
    const ask = (item: number): Promise<number> =>
      item === 3 ? Promise.reject(new Error('away')) : Promise.resolve(1);
    await expect(lookUp([1, 2, 3, 4], ask)).rejects.toThrow('away');
  });
});
