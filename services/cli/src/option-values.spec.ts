import { givenFields, startCondition } from './job-options.js';
import { durationOption, hoursOption, wholeOption } from './option-values.js';

describe('options', () => {
  it('reads business hours', () => {
    expect(hoursOption('sat 09:00-13:00')).toEqual([{ weekday: 'sat', opens: '09:00', closes: '13:00' }]);
    expect(hoursOption('Mon-Fri 08:00-18:00').map((d) => d.weekday)).toEqual(['mon', 'tue', 'wed', 'thu', 'fri']);
  });
  it.each(['', 'fri-mon 08:00-18:00', 'mon 8-18', 'xxx 08:00-18:00'])('refuses the hours %j', (text) =>
    expect(() => hoursOption(text)).toThrow(/--hours/),
  );
  it('refuses what is no span or no number, and names the option', () => {
    expect(() => durationOption('--late', 'soon')).toThrow(/--late is "soon"/);
    expect(() => wholeOption('--days', '0', 1, 9)).toThrow(/--days is "0"; allowed are 1 to 9/);
  });
  it('takes one start condition', () => {
    expect(() => startCondition({ at: '2026-01-01T00:00', now: true }, 'UTC')).toThrow(/exclude each other/);
    expect(startCondition({}, 'UTC')).toBeUndefined();
    expect(startCondition({ at: '2026-01-01 22:00' }, 'UTC')).toEqual({
      condition: { $case: 'time', value: { localTime: '2026-01-01T22:00' } },
    });
  });
  it('counts from now on the clocks of the zone', () => {
    const start = startCondition({ in: '1h' }, 'Asia/Kathmandu');
    const local = start?.condition?.$case === 'time' ? start.condition.value.localTime : '';
    const away = Date.parse(`${local}Z`) - 5.75 * 3_600_000 - Date.now();
    expect(Math.abs(away - 3_600_000)).toBeLessThan(2_000);
  });
  it('sends only what was given', () => {
    expect(Object.keys(givenFields({ title: 'x', reactionTime: '5s' }, 'UTC'))).toEqual(['title', 'reactionTime']);
  });
});
