import { createOrderWords, type OrderWord } from './order-words.js';

const progress = (step: string) => ({ step, done: 0n, total: 0n, note: '' });
let written: OrderWord[];

function open(write = async (word: OrderWord) => void written.push(word), onError = (_: unknown): void => undefined) {
  return createOrderWords({ firstMs: 100, everyMs: 1_000, write, onError });
}

beforeEach(() => {
  written = [];
  jest.useFakeTimers();
});
afterEach(() => jest.useRealTimers());

describe('words about an order', () => {
  it('are not written when it is finished at once', () => {
    const words = open();
    words.offer({ order: 'o' });
    words.offer({ order: 'o', progress: progress('swap') });
    words.drop('o');
    jest.advanceTimersByTime(5_000);
    expect(written).toEqual([]);
  });
  it('are written one an interval, the newest', () => {
    const words = open();
    words.offer({ order: 'o' });
    words.offer({ order: 'o', progress: progress('stop') });
    words.offer({ order: 'o' });
    jest.advanceTimersByTime(100);
    expect(written).toEqual([{ order: 'o', progress: progress('stop') }]);
    words.offer({ order: 'o', progress: progress('swap') });
    words.offer({ order: 'o', progress: progress('start') });
    jest.advanceTimersByTime(999);
    expect(written).toHaveLength(1);
    jest.advanceTimersByTime(1);
    expect(written.at(-1)).toEqual({ order: 'o', progress: progress('start') });
    jest.advanceTimersByTime(5_000);
    expect(written).toHaveLength(2);
  });
  it('keep what people should know until it is written', () => {
    const words = open();
    words.offer({ order: 'o', progress: { ...progress('cleared'), note: 'two were ended' } });
    words.offer({ order: 'o', progress: progress('swap') });
    jest.advanceTimersByTime(100);
    expect(written).toEqual([{ order: 'o', progress: { ...progress('swap'), note: 'two were ended' } }]);
    words.offer({ order: 'o', progress: progress('start') });
    jest.advanceTimersByTime(1_000);
    expect(written.at(-1)).toEqual({ order: 'o', progress: progress('start') });
  });
  it('do not hold each other back', () => {
    const words = open();
    words.offer({ order: 'a' });
    words.offer({ order: 'b' });
    jest.advanceTimersByTime(100);
    expect(written).toEqual([{ order: 'a' }, { order: 'b' }]);
    words.offer({ order: 'a', progress: progress('swap') });
    words.stop();
    jest.advanceTimersByTime(5_000);
    expect(written).toHaveLength(2);
  });
  it('that could not be written are reported', async () => {
    const errors: unknown[] = [];
    const words = open(
      () => Promise.reject(new Error('away')),
      (error) => errors.push(error),
    );
    words.offer({ order: 'o' });
    await jest.advanceTimersByTimeAsync(100);
    expect(errors).toEqual([new Error('away')]);
  });
});
