import { localTime, parseSpan, span, time } from './time.js';
import { bytes, fields, oneLine, safe, table } from './text.js';
import { meter } from './progress.js';

describe('times', () => {
  const summer = new Date('2026-07-01T20:00:05Z');
  it('are those of the zone, and name it', () => {
    expect(time(summer, 'Europe/Berlin')).toBe('2026-07-01 22:00:05 (Europe/Berlin)');
    expect(localTime(summer, 'Asia/Kathmandu')).toBe('2026-07-02T01:45:05');
    expect(time(undefined, 'UTC')).toBeUndefined();
  });

  it.each([
    ['30s', 30_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1h 30min', 5_400_000],
    ['500ms', 500],
    ['2d', 172_800_000],
  ])('reads %s', (text, ms) => expect(parseSpan(text)).toBe(ms));
  it.each(['', '5', 'm', '-5m', '5 months', '1h30'])('does not read %j', (text) =>
    expect(parseSpan(text)).toBeUndefined(),
  );

  it.each([
    [0, '0 s'],
    [1_500, '1.5 s'],
    [61_000, '1 min 1 s'],
    [300_000, '5 min'],
    [5_400_000, '1 h 30 min'],
  ])('writes %d ms as %s', (ms, text) => expect(span(ms)).toBe(text));
});

describe('text', () => {
  it('lets nothing through that moves the cursor or hides text', () => {
    expect(safe('a\u001b[2Jb\u202ec')).toBe('a\ufffd[2Jb\ufffdc');
    expect(oneLine('two\nlines\t here')).toBe('two lines here');
  });

  it('lays out tables', () => {
    expect(table(['host', 'state'], [['s', 'ok'], ['server-1', '']])).toBe('HOST      STATE\ns         ok\nserver-1  -\n'); // prettier-ignore
    expect(table(['host'], [], 'no hosts')).toBe('no hosts\n');
  });

  it('lays out one thing, without what is empty', () => {
    expect(fields([['A', '1'], ['Long', 'x\ny'], ['None', '']])).toBe('A     1\nLong  x\n      y\n'); // prettier-ignore
  });

  it('counts bytes', () =>
    expect([bytes(0), bytes(1536), bytes(5n * 2n ** 30n)]).toEqual(['0 B', '1.5 KiB', '5.0 GiB']));
  it('draws meters', () => expect([meter(5, 10, 4), meter(9, 0, 2)]).toEqual(['[##--]', '[##]']));
});
