import { catalogV1, commonV1, sessionV1 } from '@lastcall/contracts';
import { parseChanges, parsePage, parseSettings, Wrong } from './requests.js';

const good = (more: Partial<catalogV1.Installation> = {}): catalogV1.Installation =>
  catalogV1.Installation.fromPartial({
    title: 'Berlin',
    product: 'encore',
    kind: commonV1.InstallationKind.MULTI_USER,
    channel: 'stable',
    timeZone: 'Europe/Berlin',
    businessHours: [
      { weekday: 'mon', opens: '08:00', closes: '18:00' },
      { weekday: 'sat', opens: '00:00', closes: '24:00' },
    ],
    holidays: ['2026-12-25', '2026-12-24', '2026-12-25'],
    reactionTime: { seconds: 60n, nanos: 0 },
    ...more,
  });

/** Fields that are wrong. */
function wrongFields(installation: catalogV1.Installation): string[] {
  const wrong = new Wrong();
  parseSettings(wrong, installation);
  return wrong.violations.map((violation) => violation.field.replace('installation.', ''));
}

const span = (weekday: string, opens: string, closes: string): Partial<catalogV1.Installation> => ({
  businessHours: [{ weekday, opens, closes }],
});

describe('parseSettings', () => {
  it('reads a good installation, holidays in order and once', () => {
    const wrong = new Wrong();
    expect(parseSettings(wrong, good())).toMatchObject({
      kind: 'multi-user',
      holidays: ['2026-12-24', '2026-12-25'],
      reactionTimeMs: 60_000,
    });
    expect(wrong.rejected()).toBeUndefined();
  });

  it('has defaults: stable, and five minutes', () =>
    expect(parseSettings(new Wrong(), good({ channel: '', reactionTime: undefined }))).toMatchObject({
      channel: 'stable',
      reactionTimeMs: 300_000,
    }));

  it.each<[string, Partial<catalogV1.Installation>, string]>([
    ['no title', { title: '' }, 'title'],
    ['a title too long', { title: 'x'.repeat(201) }, 'title'],
    ['a control character', { title: 'a\u0007b' }, 'title'],
    ['a line break', { title: 'a\nb' }, 'title'],
    ['hidden text', { title: 'a\u202eb' }, 'title'],
    ['a product that is no id', { product: 'En Core' }, 'product'],
    ['no kind', { kind: commonV1.InstallationKind.UNSPECIFIED }, 'kind'],
    ['a kind of a newer peer', { kind: 99 as commonV1.InstallationKind }, 'kind'],
    ['a channel that is no id', { channel: '../stable' }, 'channel'],
    ['no zone', { timeZone: '' }, 'time_zone'],
    ['an unknown zone', { timeZone: 'Mars/Olympus' }, 'time_zone'],
    ['an offset for a zone', { timeZone: '+02:00' }, 'time_zone'],
    ['a long weekday', span('monday', '08:00', '18:00'), 'business_hours[0].weekday'],
    ['an hour that does not exist', span('mon', '24:00', '24:00'), 'business_hours[0].opens'],
    ['a minute that does not exist', span('mon', '08:60', '18:00'), 'business_hours[0].opens'],
    ['a short hour', span('mon', '8:00', '18:00'), 'business_hours[0].opens'],
    ['an hour after the day', span('mon', '08:00', '24:01'), 'business_hours[0].closes'],
    ['hours that end before they begin', span('mon', '18:00', '08:00'), 'business_hours[0].closes'],
    ['no hours', span('mon', '08:00', '08:00'), 'business_hours[0].closes'],
    [
      'too many spans',
      { businessHours: Array(101).fill({ weekday: 'mon', opens: '08:00', closes: '09:00' }) },
      'business_hours',
    ],
    ['a date that does not exist', { holidays: ['2026-02-30'] }, 'holidays[0]'],
    ['a date in another form', { holidays: ['24.12.2026'] }, 'holidays[0]'],
    ['too many holidays', { holidays: Array(1_001).fill('2026-01-01') }, 'holidays'],
    ['a negative reaction time', { reactionTime: { seconds: -1n, nanos: 0 } }, 'reaction_time'],
    ['a reaction time of more than a day', { reactionTime: { seconds: 86_401n, nanos: 0 } }, 'reaction_time'],
  ])('refuses %s', (_, more, field) => expect(wrongFields(good(more))).toEqual([field]));

  it.each([0n, 86_400n])('takes a reaction time of %d s', (seconds) =>
    expect(wrongFields(good({ reactionTime: { seconds, nanos: 0 } }))).toEqual([]),
  );

  it('names every wrong field at once', () =>
    expect(wrongFields(catalogV1.Installation.fromPartial(span('x', 'y', 'z'))).toSorted()).toEqual([
      'business_hours[0].closes',
      'business_hours[0].opens',
      'business_hours[0].weekday',
      'kind',
      'product',
      'time_zone',
      'title',
    ]));
});

describe('parseChanges', () => {
  it('takes the fields of the mask only', () => {
    const wrong = new Wrong();
    expect(parseChanges(wrong, good({ timeZone: 'nowhere' }), ['title', 'reaction_time'])).toEqual({
      title: 'Berlin',
      reactionTimeMs: 60_000,
    });
    expect(wrong.violations).toEqual([]);
  });

  it('takes all fields without a mask', () =>
    expect(Object.keys(parseChanges(new Wrong(), good(), []))).toHaveLength(6));

  it('leaves the session settings alone when all fields are meant and nothing is said about them', () => {
    expect(parseChanges(new Wrong(), good(), [])).not.toHaveProperty('sessionPolicy');
    const said = good({ sessionPolicy: sessionV1.SessionPolicy.fromPartial({ exemptUsers: ['ada'] }) });
    expect(parseChanges(new Wrong(), said, [])).toMatchObject({ sessionPolicy: { exemptUsers: ['ada'] } });
    expect(parseChanges(new Wrong(), good(), ['session_policy'])).toEqual({ sessionPolicy: {} });
  });

  it('refuses fields that cannot be changed', () => {
    const wrong = new Wrong();
    parseChanges(wrong, good(), ['title', 'product', 'constructor']);
    expect(wrong.violations.map(({ field }) => field)).toEqual(['update_mask', 'update_mask']);
  });
});

describe('parsePage', () => {
  it.each([
    [0, 100],
    [1, 1],
    [1_000, 1_000],
  ])('a page size of %d is %d', (pageSize, limit) =>
    expect(parsePage(new Wrong(), { pageSize, pageToken: '' })).toEqual({ limit }),
  );

  it.each([-1, 1_001, 0.5])('refuses %d', (pageSize) => {
    const wrong = new Wrong();
    parsePage(wrong, { pageSize, pageToken: 'next' });
    expect(wrong.violations).toHaveLength(1);
  });
});
