import { isRejected } from '@lastcall/kernel';
import { readSettings } from '@lastcall/runtime';
import { sessionModule } from './service.js';

const read = (options: Record<string, number>) => readSettings({ modules: [sessionModule], env: {}, options });

describe('the settings of the session service', () => {
  it('give users time to save, but not so much that the drain fails', () => {
    expect(read({})).toMatchObject({ byService: { session: { saveTimeoutMs: 10_000, drainTimeoutMs: 60_000 } } });
    const wrong = read({ drainTimeoutMs: 5_000, saveTimeoutMs: 5_000 });
    expect(isRejected(wrong) && wrong.violations).toMatchObject([
      { description: expect.stringContaining('must be shorter than drainTimeoutMs (5000)') },
    ]);
    expect(isRejected(read({ drainTimeoutMs: 5_000, saveTimeoutMs: 4_999 }))).toBe(false);
  });
});
