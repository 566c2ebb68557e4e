import { checkHolidayRegion, HOLIDAY_REGIONS, holidayRegionOf } from './holiday-regions.js';

it.each(['DE', 'DE-BE', 'de-by-a', 'US-LA-NO', 'ck-aitutaki'])('knows %s', (region) => {
  expect(checkHolidayRegion('holidays_of', region)).toBeUndefined();
  expect(HOLIDAY_REGIONS).toContain(holidayRegionOf(region));
});

it.each([
  ['Germany', 'Countries: AD, AE'],
  ['', 'Countries: AD, AE'],
  ['DE-XX', 'allowed are DE, DE-BB, DE-BE'],
  ['LU-XX', 'allowed are LU'],
  ['DE-BY-XX', 'allowed are DE-BY, DE-BY-A, DE-BY-KATH, DE-BY-EVANG'],
  ['DE-BE-XX', 'allowed are DE-BE'],
  [`DE-${'x'.repeat(5_000)}`, 'allowed are DE, DE-BB'],
])('says what is allowed instead of %j', (region, allowed) => {
  const wrong = checkHolidayRegion('installation.holidays_of', region);
  expect(wrong?.field).toBe('installation.holidays_of');
  expect(wrong?.description).toContain(allowed);
  expect(wrong?.description.length).toBeLessThan(1_500);
});
