import { tableOf } from './report.js';

describe('the table of npm run load', () => {
  const times = {
    told_ms: { count: 40, min: 1, p50: 2, p99: 30, max: 31 },
    let_in_said_hello_at: { count: 1, min: 1, p50: 1, p99: 1, max: 1 },
  };
  const good = { what: 'told', expected: '40', found: '40', ok: true };
  const bad = { what: 'told twice', expected: '0', found: '2', ok: false };
  const result = { scenario: 'logoff', seconds: 5, counts: {}, times, figures: { attachedPerSecond: 200 } };

  it('has a line for each kind of time, and the figures', () => {
    expect(tableOf([{ ...result, ok: true, checks: [good] }]).split('\n')).toEqual([
      'scenario  assertions  ms                min  p50  p99  last',
      'logoff    1 hold      notice to client    1    2   30    31',
      '',
      'logoff: attachedPerSecond 200, 5 s in all',
    ]);
  });

  it('names what did not hold', () => {
    const table = tableOf([{ ...result, ok: false, checks: [good, bad] }]);
    expect(table).toContain('1 of 2 BROKEN');
    expect(table).toContain('BROKEN  logoff: told twice: expected 0, found 2');
  });
});
