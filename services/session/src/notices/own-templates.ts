import type { NoticeKind } from '../domain/gate-state.js';

/*
 * Lastcall's own texts. A message is a person's own words; it has a template only because every kind has one.
 *
 * None counts minutes: a text is read by people who log in long after it was sent. Times are in it as times, and clients count down.
 */

type Texts = Readonly<Record<NoticeKind, string>>;

const english: Texts = {
  announcement:
    '{product} will be updated{hasVersion, select, yes { to version {version}} other {}}: {start}. ' +
    'Please save your work before that; you will be logged off for the time of the update.',
  moved:
    'The update of {product}{hasVersion, select, yes { to version {version}} other {}} begins at another time: {start}.',
  cancelled:
    'The update of {product} that was announced does not take place.' +
    '{hasReason, select, yes { Reason: {reason}} other {}}',
  logoff:
    '{product} is going to be updated{hasVersion, select, yes { to version {version}} other {}}. ' +
    'You will be logged off at {deadline, time, short}. Please save your work.',
  'deadline-moved':
    'The logoff for the update of {product} has another time now: {deadline, time, short}.' +
    '{hasReason, select, yes { Reason: {reason}} other {}}',
  postponed:
    'The update of {product} does not take place now, because somebody still needs the program. ' +
    'You will be told when it is planned again.',
  'back-again':
    '{product} is available again{hasVersion, select, yes { in version {version}} other {}}.' +
    '{hasWhatsNew, select, yes { What is new: {whatsNew}} other {}}',
  message: '{reason}',
};

const german: Texts = {
  announcement:
    '{product} wird {hasVersion, select, yes {auf Version {version} } other {}}aktualisiert: {start}. ' +
    'Bitte speichern Sie vorher Ihre Arbeit; Sie werden für die Dauer der Aktualisierung abgemeldet.',
  moved:
    'Die Aktualisierung von {product}{hasVersion, select, yes { auf Version {version}} other {}} ' +
    'beginnt zu einer anderen Zeit: {start}.',
  cancelled:
    'Die angekündigte Aktualisierung von {product} findet nicht statt.' +
    '{hasReason, select, yes { Grund: {reason}} other {}}',
  logoff:
    '{product} wird {hasVersion, select, yes {auf Version {version} } other {}}aktualisiert. ' +
    'Sie werden um {deadline, time, short} abgemeldet. Bitte speichern Sie Ihre Arbeit.',
  'deadline-moved':
    'Die Abmeldung für die Aktualisierung von {product} hat jetzt eine andere Zeit: {deadline, time, short}.' +
    '{hasReason, select, yes { Grund: {reason}} other {}}',
  postponed:
    'Die Aktualisierung von {product} findet jetzt nicht statt, weil das Programm noch gebraucht wird. ' +
    'Sie erfahren, wann sie neu geplant ist.',
  'back-again':
    '{product} ist wieder verfügbar{hasVersion, select, yes { in Version {version}} other {}}.' +
    '{hasWhatsNew, select, yes { Neu: {whatsNew}} other {}}',
  message: '{reason}',
};

/** Of maintenance windows: nothing is updated. Installations' own templates are about updates, so these stand alone. */
const englishMaintenance: Texts = {
  announcement:
    '{product} will not be available for a while: {start}. ' +
    'Please save your work before that; you will be logged off for the time of the maintenance.',
  moved: 'The maintenance of {product} begins at another time: {start}.',
  cancelled:
    'The maintenance of {product} that was announced does not take place.' +
    '{hasReason, select, yes { Reason: {reason}} other {}}',
  logoff:
    'There will be maintenance of {product}. You will be logged off at {deadline, time, short}. Please save your work.' +
    '{hasUntil, select, yes { You will be able to log in again at about {until, time, short}.} other {}}',
  'deadline-moved':
    'The logoff for the maintenance of {product} has another time now: {deadline, time, short}.' +
    '{hasReason, select, yes { Reason: {reason}} other {}}',
  postponed:
    'The maintenance of {product} does not take place now, because somebody still needs the program. ' +
    'You will be told when it is planned again.',
  'back-again': '{product} is available again.',
  message: '{reason}',
};

const germanMaintenance: Texts = {
  announcement:
    '{product} ist eine Zeit lang nicht verfügbar: {start}. ' +
    'Bitte speichern Sie vorher Ihre Arbeit; Sie werden für die Dauer der Wartung abgemeldet.',
  moved: 'Die Wartung von {product} beginnt zu einer anderen Zeit: {start}.',
  cancelled:
    'Die angekündigte Wartung von {product} findet nicht statt.' +
    '{hasReason, select, yes { Grund: {reason}} other {}}',
  logoff:
    '{product} wird gewartet. Sie werden um {deadline, time, short} abgemeldet. Bitte speichern Sie Ihre Arbeit.' +
    '{hasUntil, select, yes { Etwa um {until, time, short} können Sie sich wieder anmelden.} other {}}',
  'deadline-moved':
    'Die Abmeldung für die Wartung von {product} hat jetzt eine andere Zeit: {deadline, time, short}.' +
    '{hasReason, select, yes { Grund: {reason}} other {}}',
  postponed:
    'Die Wartung von {product} findet jetzt nicht statt, weil das Programm noch gebraucht wird. ' +
    'Sie erfahren, wann sie neu geplant ist.',
  'back-again': '{product} ist wieder verfügbar.',
  message: '{reason}',
};

/** By language; there is English. */
export const MAINTENANCE_TEMPLATES: ReadonlyMap<string, Texts> = new Map([
  ['en', englishMaintenance],
  ['de', germanMaintenance],
]);

/** By language; whatever language people want, there is English. */
export const OWN_TEMPLATES: ReadonlyMap<string, Texts> = new Map([
  ['en', english],
  ['de', german],
]);
