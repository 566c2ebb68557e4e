import type { PhraseName } from '../domain/phrases.js';

/*
 * Lastcall's own phrases, in ICU message format. The same names and placeholders in every language; installations change notices, not
 * these.
 */

type Texts = Readonly<Record<PhraseName, string>>;

const english: Texts = {
  'logged-off': 'You are logged off now. You can log in again as soon as the gate is open.',
  'install-begins':
    'The update is going to be installed: everybody has to leave now. You can log in again as soon as the gate is open.',
  ready: 'Your work is saved and you are logged off. You can log in again as soon as the gate is open.',
  silent: 'Nothing was heard of this program for too long.',
  slow: 'This program reads too slowly.',
  noisy: 'This program sends too many messages.',
  'not-understood': 'This program sent what is not understood: {why}',
  moving: 'The server is going down; connect again.',
  revoked: 'The credential was revoked.',
  'came-back': 'The session came back on another connection.',
  'first-start-proven': 'The first start of version {version} on {host} is proven.',
  updating: '{product} is being updated to {version}.',
  maintenance: 'There is maintenance going on.',
  overdue: 'It should have ended long ago; your administrator has to look.',
  'way-back-failed': 'The update failed and so did the way back; your administrator has to look.',
  'shut-since': 'No logins since {since}.',
  'open-about': 'It is expected to open again at {until}.',
  'over-by': 'It should be over by {until}.',
  'ask-administrator': 'Ask your administrator.',
  'open-by-administrator': 'You will be able to log in as soon as an administrator opens it.',
  'open-when-over': 'You will be able to log in as soon as it is over.',
  'host-waits':
    'You cannot log in on {host} yet: the program has to be started there once after the update. ' +
    'You will be able to log in as soon as that is done.',
  'host-given-up':
    'You cannot log in on {host} yet: an administrator has to start the program there once. ' +
    'You will be able to log in as soon as that is done.',
  'host-quarantined':
    'You cannot log in on {host}: the update failed there and so did the way back; your administrator has to look. ' +
    'You will be able to log in as soon as that is done.',
  'host-late': 'Log in on {host} as soon as it has been updated too and has stayed healthy for a moment.',
  'host-late-failed':
    'The update of {host} has failed. It is tried again when it is switched on the next time, or asked for; ' +
    'you can log in there when it has succeeded.',
  'host-late-given-up':
    'The update of {host} has failed and is not tried again by itself; your administrator has to look.',
  'wrong-version':
    'This program has version {version}, but version {wanted} is needed. ' +
    'It follows by itself when the host has been updated; otherwise ask your administrator.',
  'hello-missing': 'The first message must be the hello.',
  'hello-late': 'The first message must be the hello, in time. Try again in a moment.',
  'hellos-missing': 'Too many connections with this credential have not said hello.',
  'other-installation': 'This credential is not for the installation {installation}.',
  'unknown-installation':
    'The installation {installation} is not known here; check its name, or add it to the catalog.',
  'deleted-installation': 'The installation {installation} was deleted.',
  'too-many-attempts': 'There were too many attempts to log in; try again in a moment.',
  full: '{max, number} users are logged in, which is the limit here. Try again in a moment.',
  'coming-back': 'The session is just coming back elsewhere. Try again in a moment.',
  'first-start-unknown': 'This first start is not expected here: its code is not known, or for another host.',
  'first-start-version': 'The client has version {version}, but {wanted} was installed on this host.',
  'run-postponed': 'The update is postponed; you can go on working.',
  'run-off': 'The update does not take place now; you can go on working.',
  'maintenance-postponed': 'The maintenance is postponed; you can go on working.',
  'maintenance-off': 'The maintenance does not take place now; you can go on working.',
  reopened: 'The gate was opened again; you can go on working.',
  'hold-moved': 'The logoff was moved for everybody.',
  'hold-postponed': 'It is postponed; you can go on working.',
  'hold-waits': 'A second person has to agree; you are told as soon as that is decided.',
  'hold-denied': 'Nobody has agreed; the logoff stays as it is.',
  'hold-too-often': 'You have asked for more time too often; try again in a minute.',
  'hold-undecided': 'This cannot be decided at the moment; please try again.',
  'hold-wrong': 'More time needs a reason of 1 to 200 characters, and is for 1 minute to 4 hours.',
  'hold-no-logoff': 'There is no logoff planned that could be moved.',
  'hold-not-allowed': 'This logoff cannot be moved; please save your work now.',
  'hold-too-many': 'The limit of {max, number} holds for this logoff is reached.',
  'hold-at-limit': 'The logoff cannot be moved any further; please save your work now.',
  'hold-too-short': 'The logoff is not before the time that you asked for.',
};

const german: Texts = {
  'logged-off': 'Sie werden jetzt abgemeldet. Sobald die Anmeldung wieder offen ist, können Sie sich neu anmelden.',
  'install-begins':
    'Die Aktualisierung wird jetzt installiert: Alle müssen sich abmelden. ' +
    'Sobald die Anmeldung wieder offen ist, können Sie sich neu anmelden.',
  ready:
    'Ihre Arbeit ist gespeichert, und Sie sind abgemeldet. ' +
    'Sobald die Anmeldung wieder offen ist, können Sie sich neu anmelden.',
  silent: 'Dieses Programm hat sich zu lange nicht gemeldet.',
  slow: 'Dieses Programm liest zu langsam.',
  noisy: 'Dieses Programm sendet zu viele Nachrichten.',
  'not-understood': 'Dieses Programm hat etwas gesendet, das nicht verstanden wird: {why}',
  moving: 'Der Server wird beendet; bitte verbinden Sie sich neu.',
  revoked: 'Die Zugangsdaten wurden widerrufen.',
  'came-back': 'Die Sitzung wird über eine andere Verbindung fortgesetzt.',
  'first-start-proven': 'Der erste Start von Version {version} auf {host} ist nachgewiesen.',
  updating: '{product} wird auf Version {version} aktualisiert.',
  maintenance: 'Es wird gerade gewartet.',
  overdue: 'Das sollte längst beendet sein; Ihr Administrator muss nachsehen.',
  'way-back-failed':
    'Die Aktualisierung ist fehlgeschlagen, und auch der Weg zurück; Ihr Administrator muss nachsehen.',
  'shut-since': 'Keine Anmeldung seit {since}.',
  'open-about': 'Voraussichtlich wieder möglich um {until}.',
  'over-by': 'Es sollte spätestens um {until} beendet sein.',
  'ask-administrator': 'Bitte fragen Sie Ihren Administrator.',
  'open-by-administrator': 'Sie können sich anmelden, sobald ein Administrator die Anmeldung öffnet.',
  'open-when-over': 'Sie können sich anmelden, sobald es beendet ist.',
  'host-waits':
    'Auf {host} können Sie sich noch nicht anmelden: Das Programm muss dort nach der Aktualisierung einmal gestartet werden. ' +
    'Sobald das geschehen ist, können Sie sich anmelden.',
  'host-given-up':
    'Auf {host} können Sie sich noch nicht anmelden: Ein Administrator muss das Programm dort einmal starten. ' +
    'Sobald das geschehen ist, können Sie sich anmelden.',
  'host-quarantined':
    'Auf {host} können Sie sich nicht anmelden: Dort sind die Aktualisierung und auch der Weg zurück fehlgeschlagen; ' +
    'Ihr Administrator muss nachsehen. Sobald das geschehen ist, können Sie sich anmelden.',
  'host-late':
    'Melden Sie sich auf {host} an, sobald auch dieser Rechner aktualisiert wurde und einen Moment lang fehlerfrei läuft.',
  'host-late-failed':
    'Die Aktualisierung von {host} ist fehlgeschlagen. Sie wird beim nächsten Einschalten wiederholt, oder wenn jemand ' +
    'darum bittet; danach können Sie sich dort anmelden.',
  'host-late-given-up':
    'Die Aktualisierung von {host} ist fehlgeschlagen und wird nicht von selbst wiederholt; Ihr Administrator muss nachsehen.',
  'wrong-version':
    'Dieses Programm hat Version {version}, benötigt wird aber Version {wanted}. ' +
    'Es folgt von selbst, wenn der Rechner aktualisiert wurde; sonst fragen Sie bitte Ihren Administrator.',
  'hello-missing': 'Die erste Nachricht muss das Hello sein.',
  'hello-late': 'Die erste Nachricht muss rechtzeitig das Hello sein. Bitte versuchen Sie es gleich noch einmal.',
  'hellos-missing': 'Zu viele Verbindungen mit diesen Zugangsdaten haben kein Hello gesendet.',
  'other-installation': 'Diese Zugangsdaten gelten nicht für die Installation {installation}.',
  'unknown-installation':
    'Die Installation {installation} ist hier nicht bekannt; prüfen Sie den Namen, oder tragen Sie sie im Katalog ein.',
  'deleted-installation': 'Die Installation {installation} wurde gelöscht.',
  'too-many-attempts': 'Es gab zu viele Anmeldeversuche; bitte versuchen Sie es gleich noch einmal.',
  full: '{max, number} Benutzer sind angemeldet, mehr sind hier nicht möglich. Bitte versuchen Sie es gleich noch einmal.',
  'coming-back': 'Die Sitzung wird gerade anderswo fortgesetzt. Bitte versuchen Sie es gleich noch einmal.',
  'first-start-unknown':
    'Dieser erste Start wird hier nicht erwartet: Sein Code ist nicht bekannt oder gehört zu einem anderen Rechner.',
  'first-start-version': 'Das Programm hat Version {version}, auf diesem Rechner wurde aber {wanted} installiert.',
  'run-postponed': 'Die Aktualisierung ist verschoben; Sie können weiterarbeiten.',
  'run-off': 'Die Aktualisierung findet jetzt nicht statt; Sie können weiterarbeiten.',
  'maintenance-postponed': 'Die Wartung ist verschoben; Sie können weiterarbeiten.',
  'maintenance-off': 'Die Wartung findet jetzt nicht statt; Sie können weiterarbeiten.',
  reopened: 'Die Anmeldung ist wieder offen; Sie können weiterarbeiten.',
  'hold-moved': 'Die Abmeldung wurde für alle verschoben.',
  'hold-postponed': 'Es ist verschoben; Sie können weiterarbeiten.',
  'hold-waits': 'Eine zweite Person muss zustimmen; Sie erfahren es, sobald das entschieden ist.',
  'hold-denied': 'Niemand hat zugestimmt; die Abmeldung bleibt, wie sie ist.',
  'hold-too-often': 'Sie haben zu oft um mehr Zeit gebeten; bitte versuchen Sie es in einer Minute noch einmal.',
  'hold-undecided': 'Das kann im Moment nicht entschieden werden; bitte versuchen Sie es noch einmal.',
  'hold-wrong': 'Mehr Zeit braucht einen Grund von 1 bis 200 Zeichen und gilt für 1 Minute bis 4 Stunden.',
  'hold-no-logoff': 'Es ist keine Abmeldung geplant, die verschoben werden könnte.',
  'hold-not-allowed': 'Diese Abmeldung kann nicht verschoben werden; bitte speichern Sie jetzt Ihre Arbeit.',
  'hold-too-many': 'Für diese Abmeldung sind nicht mehr als {max, number} Aufschübe möglich.',
  'hold-at-limit': 'Die Abmeldung kann nicht weiter verschoben werden; bitte speichern Sie jetzt Ihre Arbeit.',
  'hold-too-short': 'Die Abmeldung ist nicht vor der Zeit, um die Sie gebeten haben.',
};

/** By language; whatever language people want, there is English. */
export const OWN_PHRASES: ReadonlyMap<string, Texts> = new Map([
  ['en', english],
  ['de', german],
]);
