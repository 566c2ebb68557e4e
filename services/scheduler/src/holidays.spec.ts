import { HOLIDAY_REGIONS } from '@lastcall/contracts';
import { allRegions, holidaysOf } from './holidays.js';

describe('holidays', () => {
  it('are those of the region, in every year', async () => {
    const { nameOf } = await holidaysOf('DE-BE', [], []);
    // Only Berlin has it; Corpus Christi is none there.
    expect(nameOf('2027-03-08')).toContain("Women's Day");
    expect(nameOf('2026-06-04')).toBeUndefined();
    expect(nameOf('2026-04-06')).toBe('Easter Monday');
    expect(nameOf('2031-04-14')).toBe('Easter Monday');
    expect(nameOf('2026-12-24')).toBeUndefined();
    expect((await holidaysOf('DE-BY', [], [])).nameOf('2026-06-04')).toBe('Corpus Christi');
  });
  it('are own dates too, and not those on which people work', async () => {
    const holidays = await holidaysOf('DE', ['2026-12-24', '2026-12-25'], ['2026-10-03', '2026-12-24']);
    expect(holidays.nameOf('2026-12-24')).toBe('a day of its own');
    expect(holidays.nameOf('2026-12-25')).toBe('Christmas Day');
    expect(holidays.includes('2026-10-03')).toBe(false);
    expect((await holidaysOf('DE', [], [])).includes('2026-10-03')).toBe(true);
  });
  it('are own dates only without a region', async () => {
    const holidays = await holidaysOf('', ['2026-05-04'], []);
    expect(['2026-05-04', '2026-12-25'].map((date) => holidays.includes(date))).toEqual([true, false]);
  });
  it('may last for days, and begin on the evening before', async () => {
    const { nameOf } = await holidaysOf('IL', [], []);
    // Yom Kippur of 2026 is from Sunday evening to Monday evening.
    expect(nameOf('2026-09-20')).toBeUndefined();
    expect(nameOf('2026-09-21')).toContain('Yom Kippur');
    const china = await holidaysOf('CN', [], []);
    expect(['2026-10-01', '2026-10-02', '2026-10-03'].every((date) => china.includes(date))).toBe(true);
  });
});

it('are none in years that nobody plans for, where the library would not come to an end', async () => {
  const { includes } = await holidaysOf('CN', ['0001-05-01'], []);
  const dates = ['0001-01-01', '0001-05-01', '1969-10-01', '1970-10-01', '2199-10-01', '2200-10-01', '9999-10-01'];
  expect(dates.filter((date) => includes(date))).toEqual(['0001-05-01', '1970-10-01', '2199-10-01']);
});

it('are known of exactly the regions that an installation may name', async () => {
  expect(await allRegions()).toEqual(HOLIDAY_REGIONS);
});
