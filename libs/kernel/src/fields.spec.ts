import { checkId, checkRange, checkText, checkTimeZone, cleanText, quoted } from './fields.js';

describe('checkId', () => {
  it.each(['a', 'encore-berlin', '1', 'a'.repeat(63)])('accepts %s', (id) => expect(checkId('id', id)).toBeUndefined());
  it.each(['', '-a', 'a-', 'A', 'a_b', 'a b', 'ä', 'a'.repeat(64), '../x'])('refuses %j and names the field', (id) =>
    expect(checkId('job.name', id)).toMatchObject({ field: 'job.name' }),
  );
});

describe('quoted', () => {
  it('shows the beginning of a value, and what would hide or reorder the text as escapes', () => {
    expect(quoted('a\u202eb\u0000"c')).toBe('"a\\u202eb\\u0000\\"c"');
    expect(quoted('x'.repeat(500))).toHaveLength(82);
  });
});

describe('checkText', () => {
  it('counts characters, not code units', () =>
    expect(checkText('title', '😀'.repeat(200), { max: 200 })).toBeUndefined());
  it('says how long it is', () =>
    expect(checkText('title', 'x'.repeat(201), { max: 200 })?.description).toContain('has 201 characters'));
  it.each(['\u0000', '\u001b', '\u202e', '\u200b'])('refuses the hidden character %j', (c) =>
    expect(checkText('title', `a${c}b`, { max: 200 })?.description).toContain('position 2'),
  );
  it('allows line breaks in texts and not in titles', () => {
    expect(checkText('message', 'a\nb', { max: 10 })).toBeUndefined();
    expect(checkText('title', 'a\nb', { max: 10, lines: false })).toBeDefined();
  });
});

describe('cleanText', () => {
  it('leaves out what may not be shown, and nothing else', () => {
    expect(cleanText('a\u0000b\u202ec\u2066d\u200be\r\nf\tg\u0085h 😀', 100)).toBe('abcde\nf\tgh 😀');
  });
  it('is no longer than that, and shows where it was cut', () => {
    expect(cleanText('😀'.repeat(5), 5)).toBe('😀'.repeat(5));
    expect(cleanText('😀'.repeat(6), 5)).toBe('😀😀😀😀…');
  });
});

describe('checkRange and checkTimeZone', () => {
  it.each([-1, 11, 1.5, Number.NaN])('refuses %d', (n) => expect(checkRange('n', n, 0, 10, 'minutes')).toBeDefined());
  it.each(['Europe/Berlin', 'UTC', 'Asia/Kathmandu'])('knows %s', (zone) =>
    expect(checkTimeZone('zone', zone)).toBeUndefined(),
  );
  it.each(['', 'Mars/Olympus', '+02:00'])('does not know %j', (zone) =>
    expect(checkTimeZone('zone', zone)).toBeDefined(),
  );
});
