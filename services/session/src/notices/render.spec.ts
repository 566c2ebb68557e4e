import { sessionV1 } from '@lastcall/contracts';
import { HOUR_MS } from '@lastcall/kernel';
import type { Notice, NoticeKind } from '../domain/gate-state.js';
import {
  DEFAULT_POLICY,
  type InstallationFacts,
  type NoticeTemplate,
  type SessionPolicy,
} from '../domain/installation.js';
import { noticeKindFromWire, noticeKindToWire } from './notice-kinds.js';
import { OWN_TEMPLATES } from './own-templates.js';
import { noticeLanguage } from './readers.js';
import { isUsable, renderNotice } from './render.js';

const SENT = Date.UTC(2026, 10, 28, 20);
const KINDS: readonly NoticeKind[] = [
  'announcement',
  'moved',
  'cancelled',
  'logoff',
  'deadline-moved',
  'postponed',
  'back-again',
  'message',
];

function notice(kind: NoticeKind, more: Partial<Notice> = {}): Notice {
  const about = { product: 'Encore', version: '11.1.0', reason: '', whatsNew: '' };
  return { id: 'n-1', kind, text: '', sentAt: SENT, ...about, ...more };
}

function facts(policy: Partial<SessionPolicy> = {}): InstallationFacts {
  const rest = {
    kind: 'multi-user',
    timeZone: 'Europe/Berlin',
    reactionTimeMs: 0,
    deleted: false,
    sequence: 1,
  } as const;
  return { ...rest, policy: { ...DEFAULT_POLICY, ...policy } };
}

const start = { startAt: SENT + HOUR_MS };
const deadline = { deadlineAt: SENT + HOUR_MS / 2 };

function textOf(...args: Parameters<typeof renderNotice>): string {
  return renderNotice(...args).text;
}

describe('Lastcall’s own texts of a maintenance window', () => {
  const window = { version: '', maintenance: { closedForMs: 2 * HOUR_MS } };

  it.each<[NoticeKind, Partial<Notice>, string, string]>([
    [
      'logoff',
      deadline,
      'There will be maintenance of Encore. You will be logged off at 9:30 PM. Please save your work. You will be able to log in again at about 11:30 PM.',
      'Encore wird gewartet. Sie werden um 21:30 abgemeldet. Bitte speichern Sie Ihre Arbeit. Etwa um 23:30 können Sie sich wieder anmelden.',
    ],
    [
      'announcement',
      { ...start, maintenance: {} },
      'Encore will not be available for a while: Saturday, November 28, 2026 at 10:00 PM GMT+1. Please save your work before that; you will be logged off for the time of the maintenance.',
      'Encore ist eine Zeit lang nicht verfügbar: Samstag, 28. November 2026 um 22:00 MEZ. Bitte speichern Sie vorher Ihre Arbeit; Sie werden für die Dauer der Wartung abgemeldet.',
    ],
    ['back-again', {}, 'Encore is available again.', 'Encore ist wieder verfügbar.'],
  ])('%s', (kind, more, english, german) => {
    const said = notice(kind, { ...window, ...more });
    expect([textOf(said, 'en', facts()), textOf(said, 'de', facts())]).toEqual([english, german]);
  });

  it.each(KINDS)('%s names an update nowhere, and leaves nothing out', (kind) => {
    const said = notice(kind, { ...window, ...start, ...deadline, reason: 'Why.' });
    for (const language of ['en', 'de']) expect(textOf(said, language, facts())).not.toMatch(/updat|aktualisier|[{}]/i);
  });

  it('go before templates of the installation, which are about updates', () => {
    const templates = [{ kind: 'back-again', language: 'en', text: 'Updated!' } as const];
    expect(textOf(notice('back-again', window), 'en', facts({ templates }))).toBe('Encore is available again.');
  });
});

describe('Lastcall’s own texts', () => {
  it.each<[NoticeKind, Partial<Notice>, string, string]>([
    [
      'announcement',
      start,
      'Encore will be updated to version 11.1.0: Saturday, November 28, 2026 at 10:00 PM GMT+1. Please save your work before that; you will be logged off for the time of the update.',
      'Encore wird auf Version 11.1.0 aktualisiert: Samstag, 28. November 2026 um 22:00 MEZ. Bitte speichern Sie vorher Ihre Arbeit; Sie werden für die Dauer der Aktualisierung abgemeldet.',
    ],
    [
      'moved',
      { ...start, version: '' },
      'The update of Encore begins at another time: Saturday, November 28, 2026 at 10:00 PM GMT+1.',
      'Die Aktualisierung von Encore beginnt zu einer anderen Zeit: Samstag, 28. November 2026 um 22:00 MEZ.',
    ],
    [
      'cancelled',
      { ...start, reason: 'The month is not closed.' },
      'The update of Encore that was announced does not take place. Reason: The month is not closed.',
      'Die angekündigte Aktualisierung von Encore findet nicht statt. Grund: The month is not closed.',
    ],
    [
      'logoff',
      deadline,
      'Encore is going to be updated to version 11.1.0. You will be logged off at 9:30 PM. Please save your work.',
      'Encore wird auf Version 11.1.0 aktualisiert. Sie werden um 21:30 abgemeldet. Bitte speichern Sie Ihre Arbeit.',
    ],
    [
      'deadline-moved',
      deadline,
      'The logoff for the update of Encore has another time now: 9:30 PM.',
      'Die Abmeldung für die Aktualisierung von Encore hat jetzt eine andere Zeit: 21:30.',
    ],
    [
      'postponed',
      {},
      'The update of Encore does not take place now, because somebody still needs the program. You will be told when it is planned again.',
      'Die Aktualisierung von Encore findet jetzt nicht statt, weil das Programm noch gebraucht wird. Sie erfahren, wann sie neu geplant ist.',
    ],
    [
      'back-again',
      { whatsNew: 'Faster postings.' },
      'Encore is available again in version 11.1.0. What is new: Faster postings.',
      'Encore ist wieder verfügbar in Version 11.1.0. Neu: Faster postings.',
    ],
  ])('say %s in English and German', (kind, more, english, german) => {
    expect(textOf(notice(kind, more), 'en', facts())).toBe(english);
    expect(textOf(notice(kind, more), 'de', facts())).toBe(german);
  });

  it('are there for every kind, and each can be formatted', () => {
    for (const [language, texts] of OWN_TEMPLATES) {
      for (const kind of KINDS) expect(isUsable({ kind, language, text: texts[kind] })).toBe(true);
    }
  });
});

describe('a rendered notice', () => {
  it('has everything that a client counts by', () => {
    const link = 'https://help.example.com/';
    expect(renderNotice(notice('logoff', deadline), 'de', facts({ link }))).toMatchObject({
      notice: 'n-1',
      kind: sessionV1.NoticeKind.LOGOFF,
      link,
      deadline: new Date(deadline.deadlineAt),
      startTime: undefined,
      sentAt: new Date(SENT),
      version: '11.1.0',
    });
    expect(renderNotice(notice('moved', start), '', undefined)).toMatchObject({
      startTime: new Date(start.startAt),
      link: '',
    });
  });

  it('may be one that was stored before there were kinds', () => {
    const old = JSON.parse(
      JSON.stringify({ id: 'n-1', text: 'Save.', sentAt: SENT, version: '11.1.0', ...deadline }),
    ) as Notice;
    const wire = renderNotice(old, 'de', facts());
    expect(sessionV1.Notice.decode(sessionV1.Notice.encode(wire).finish())).toMatchObject({ text: 'Save.', kind: 0 });
  });

  it('is in a person’s own words where there are any', () => {
    expect(textOf(notice('message', { text: 'Lunch is {ready}.' }), 'de', facts())).toBe('Lunch is {ready}.');
    expect(textOf(notice('logoff', { ...deadline, text: 'Bitte abmelden.' }), 'en', facts())).toBe('Bitte abmelden.');
  });

  it('says when a run begins also where the job has words of its own', () => {
    const text = textOf(notice('announcement', { ...start, text: 'Close the month before.' }), 'en', facts());
    expect(text).toMatch(/^Encore will be updated .* 2026 at 10:00 PM .*\n\nClose the month before\.$/);
  });

  it('has plain text, whatever comes into it', () => {
    const nasty = { product: 'En\u202ecore\u0007', whatsNew: '\u2066{minutes}<b>\u0000\r\nx' };
    expect(textOf(notice('back-again', nasty), 'en', facts())).toBe(
      'Encore is available again in version 11.1.0. What is new: {minutes}<b>\nx',
    );
    const long = textOf(notice('back-again', { whatsNew: 'x'.repeat(9_000) }), 'en', facts());
    expect([...long]).toHaveLength(4_000);
    expect([...textOf(notice('message', { text: '😀'.repeat(5_000) }), 'en', facts())]).toHaveLength(4_000);
  });
});

describe('the language', () => {
  const template = (language: string, text: string, kind: NoticeKind = 'postponed'): NoticeTemplate => ({
    kind,
    language,
    text,
  });
  const texts = facts({
    language: 'it',
    templates: [
      template('de', 'deutsch'),
      template('de-CH', 'schweizerisch'),
      template('it', 'italiano'),
      template('zh-hant', '繁體'),
      template('fr', 'français', 'back-again'),
    ],
  });

  it.each([
    ['de-AT', 'deutsch'],
    ['DE-ch', 'schweizerisch'],
    ['de-CH-1996-u-nu-latn', 'schweizerisch'],
    ['zh-Hant-TW', '繁體'],
    ['en-GB', 'The update of Encore does not take place now'],
    // There is no text for these: the installation's.
    ['zh-Hans', 'italiano'],
    ['pt-BR', 'italiano'],
    ['', 'italiano'],
    ['no language', 'italiano'],
    // There is French, and not of this kind.
    ['fr', 'italiano'],
  ])('of %s is matched', (language, begins) => {
    expect(textOf(notice('postponed'), language, texts).startsWith(begins)).toBe(true);
  });

  it('is English where the installation’s has no text either', () => {
    expect(textOf(notice('postponed'), 'fr', facts({ language: 'pt' }))).toContain('does not take place now');
    expect(textOf(notice('postponed'), 'de', undefined)).toContain('findet jetzt nicht statt');
  });

  it('writes times as in the region of the user', () => {
    const at = facts({ templates: [template('en', '{deadline, time, short} {deadline, date, short}', 'logoff')] });
    expect(textOf(notice('logoff', deadline), 'en-US', at)).toBe('9:30 PM 11/28/26');
    expect(textOf(notice('logoff', deadline), 'en-GB', at)).toBe('21:30 28/11/26');
    expect(textOf(notice('logoff', deadline), 'en-GB', { ...at, timeZone: 'America/New_York' })).toBe('15:30 28/11/26');
  });

  it('is one of few, whatever clients say, and the same one gives the same message', () => {
    const tags = [
      'de',
      'de-AT',
      'de-at',
      'de-AT-x-anything',
      'de-Abcd-AT',
      'de-u-nu-thai',
      'de-QX',
      'xx',
      'q',
      'en-GB',
    ];
    const keys = new Set(tags.map((tag) => noticeLanguage(tag, texts)));
    expect([...keys].toSorted()).toEqual(['de', 'de-AT', 'en-GB', 'it']);
    for (const tag of tags) {
      const said = renderNotice(notice('logoff', deadline), tag, texts);
      expect(renderNotice(notice('logoff', deadline), noticeLanguage(tag, texts), texts)).toEqual(said);
    }
    const many = new Set<string>();
    for (let i = 0; i < 26 ** 3; i++) {
      const letters = i
        .toString(26)
        .padStart(3, '0')
        .replace(/./g, (digit) => String.fromCharCode(97 + Number.parseInt(digit, 26)));
      many.add(noticeLanguage(`de-${letters.slice(0, 2)}`, texts)).add(noticeLanguage(letters, texts));
    }
    expect(many.size).toBeLessThan(400);
  });
});

describe('a template', () => {
  it('of the installation goes before Lastcall’s own, and has placeholders', () => {
    const text =
      "{product} {version} {hasReason, select, yes {({reason})} other {-}} '{'{minutes, plural, one {# Minute} other {# Minuten}}'}' {deadline}";
    const at = facts({ templates: [{ kind: 'logoff', language: 'de', text }] });
    expect(textOf(notice('logoff', deadline), 'de-DE', at)).toBe(
      'Encore 11.1.0 - {30 Minuten} Samstag, 28. November 2026 um 21:30 MEZ',
    );
  });

  it.each([
    ['{product', 'that cannot be parsed'],
    ['{nonsense}', 'that names what is not there'],
    ['{start, date}', 'that names what this notice has not'],
    ['{product, date}', 'that cannot be formatted'],
    ['{minutes, plural, one {x}}', 'without a case for all'],
  ])('%s, %s, falls back to Lastcall’s own in the same language', (text) => {
    const broken: NoticeTemplate = { kind: 'logoff', language: 'de', text };
    expect(isUsable(broken)).toBe(false);
    const at = facts({ templates: [broken] });
    expect(textOf(notice('logoff', deadline), 'de', at)).toContain('Sie werden um 21:30 abgemeldet');
  });
});

it('has the same kinds on the wire', () => {
  for (const kind of KINDS) expect(noticeKindFromWire(noticeKindToWire(kind))).toBe(kind);
  expect(noticeKindFromWire(sessionV1.NoticeKind.UNSPECIFIED)).toBeUndefined();
  expect(noticeKindFromWire(99 as sessionV1.NoticeKind)).toBeUndefined();
});
