import { localTimeAt, rateAt, type HoursOfWork } from './working-hours.js';

const berlin: HoursOfWork = {
  timeZone: 'Europe/Berlin',
  spans: ['mon', 'tue', 'wed', 'thu', 'fri'].map((weekday) => ({ weekday, opens: '08:00', closes: '18:00' })),
  holidays: ['2026-12-25'],
};
const at = (text: string): number => Date.parse(text);

describe('rateAt', () => {
  const both = { maxRate: 20, maxRateInHours: 2 };
  it.each([
    ['a minute before they begin', '2026-11-30T07:59:59+01:00', 20],
    ['when they begin', '2026-11-30T08:00:00+01:00', 2],
    ['until the last minute', '2026-11-30T17:59:59+01:00', 2],
    ['when they end', '2026-11-30T18:00:00+01:00', 20],
    ['on a Sunday', '2026-11-29T12:00:00+01:00', 20],
    ['on a holiday', '2026-12-25T12:00:00+01:00', 20],
    ['in summer, by the zone', '2026-07-01T08:00:00+02:00', 2],
    ['in summer, by the zone, an hour before', '2026-07-01T07:00:00+02:00', 20],
  ])('is that of the business hours %s', (_, when, rate) => expect(rateAt(both, berlin)(at(when))).toBe(rate));

  it('takes every hour for a working one when the hours are not known', () =>
    expect(rateAt(both, undefined)(at('2026-11-29T03:00:00Z'))).toBe(2));
  it('has no working hours where there are none', () =>
    expect(rateAt(both, { ...berlin, spans: [] })(at('2026-11-30T10:00:00Z'))).toBe(20));
  it('has no limit where there is none', () => {
    expect(rateAt({}, undefined)(0)).toBe(Infinity);
    expect(rateAt({ maxRateInHours: 2 }, berlin)(at('2026-11-29T12:00:00Z'))).toBe(Infinity);
  });
  it('is never more than always', () =>
    expect(rateAt({ maxRate: 1, maxRateInHours: 2 }, berlin)(at('2026-11-30T10:00:00Z'))).toBe(1));
});

describe('localTimeAt', () => {
  it('knows midnight and the date of the zone', () =>
    expect(localTimeAt(at('2026-11-28T23:00:00Z'), 'Europe/Berlin')).toEqual({
      weekday: 'sun',
      date: '2026-11-29',
      time: '00:00',
    }));
  it('refuses a zone that nobody knows', () => expect(() => localTimeAt(0, 'Nowhere/Town')).toThrow(RangeError));
});
