import { msToDuration, sessionV1 } from '@lastcall/contracts';
import { MINUTE_MS } from '@lastcall/kernel';
import { startStack, type Stack, type StackOptions } from '@lastcall/testkit';
import { sessionModule } from './service.js';
import type { AttachClient } from './testing/attach-client.js';
import { cancelled, INSTALLATION, withoutTerminalServers } from './testing/run-events.js';
import { aboutRun, GATE, openSite, PARENT, SITE_SETTINGS, type Site } from './testing/site.js';

/*
 * What users read beside notices is in their language: why they are not let in, why they are logged off, what becomes of a hold.
 */

const { EndReason, NoticeKind, RefusalReason } = sessionV1;
const { hosts } = withoutTerminalServers();
let site: Stack & Site;

async function start(settings: StackOptions['settings'] = {}): Promise<void> {
  site = await openSite(await startStack({ modules: [sessionModule], settings: { ...SITE_SETTINGS, ...settings } }));
}
afterEach(() => site.stop());

interface Readers {
  readonly german: AttachClient;
  readonly english: AttachClient;
}

async function attachBoth(): Promise<Readers> {
  const [german, english] = await Promise.all([
    site.attached({ user: 'resi', language: 'de-AT' }),
    site.attached({ user: 'ann', language: 'en' }),
  ]);
  return { german: german.client, english: english.client };
}

const refused = (hello: Partial<sessionV1.Hello>) => site.attach(hello).until('refused');

describe('in German and in English', () => {
  it('users are told what is taken back, why they are logged off and refused, and until when', async () => {
    await start();
    const { german, english } = await attachBoth();
    const first = await site.shutFor({ hosts, reactionTimeMs: 60_000 });
    await german.until('notice');
    await site.publish('RunCancelled', INSTALLATION, cancelled(first));
    expect((await german.until('noticeWithdrawn')).text).toBe(
      'Die Aktualisierung findet jetzt nicht statt; Sie können weiterarbeiten.',
    );
    expect((await english.until('noticeWithdrawn')).text).toBe(
      'The update does not take place now; you can go on working.',
    );

    const run = await site.shutFor({ hosts, reactionTimeMs: 0 });
    const [byDeadline, inEnglish] = await Promise.all([german.until('ended'), english.until('ended')]);
    expect(byDeadline).toMatchObject({ reason: EndReason.DEADLINE, text: expect.stringMatching(/^Sie werden jetzt/) });
    expect(inEnglish.text).toMatch(/^You are logged off now/);

    await site.seen('SessionsDrained', aboutRun(run));
    expect((await refused({ language: 'de' })).text).toMatch(
      /^encore wird auf Version 11\.1\.0 aktualisiert\. Keine Anmeldung seit \d\d:\d\d \(Europe\/Berlin\)\. Es sollte /,
    );
    expect((await refused({ language: 'en' })).text).toMatch(/^encore is being updated to 11\.1\.0\. No logins since /);
    const waiter = site.operator().waitForReopening({ name: PARENT, host: '', language: 'de' });
    for await (const { gate } of waiter) {
      expect(gate?.reason).toBe('encore wird auf Version 11.1.0 aktualisiert.');
      break;
    }
    const wrong = site.operator().waitForReopening({ name: PARENT, host: '', language: 'x'.repeat(36) });
    await expect(wrong[Symbol.asyncIterator]().next()).rejects.toMatchObject({ violations: [{ field: 'language' }] });
    await site.publish('RunCancelled', INSTALLATION, cancelled(run));
    await site.seen('GateReopened', aboutRun(run));
  });

  it('users without a language have the installation’s, and before the hello is understood it is English', async () => {
    await start({ attachBurstPerInstallation: 5, attachPerSecondPerInstallation: 1 });
    await site.setPolicy({ language: 'de' });
    const old = await refused({ language: '', version: '10.0.0' });
    expect(old).toMatchObject({ reason: RefusalReason.WRONG_VERSION, text: expect.stringContaining('benötigt wird') });
    expect((await refused({ user: 'other', language: 'en', version: '10.0.0' })).text).toMatch(/is needed/);
    const wrong = await refused({ language: 'de', user: '' });
    expect(wrong).toMatchObject({ reason: RefusalReason.INVALID, text: expect.stringMatching(/^hello\.user is/) });
    const hello = { user: 'loop', language: 'fr-FR', version: '10.0.0' };
    const all = await Promise.all(Array.from({ length: 20 }, () => refused(hello)));
    expect(all.find(({ reason }) => reason === RefusalReason.TOO_MANY)?.text).toMatch(
      /^Es gab zu viele Anmeldeversuche/,
    );
    const elsewhere = await refused({ language: 'de', installation: 'encore-bonn' });
    expect(elsewhere.text).toBe('Diese Zugangsdaten gelten nicht für die Installation encore-bonn.');
  });

  it('a person’s reason is as it was typed, and what becomes of a hold is not', async () => {
    await start({ holdsPerMinute: 2 });
    const { german } = await attachBoth();
    const ask = (minutes: number) => {
      const value = { reason: 'Monatsabschluss', duration: msToDuration(minutes * MINUTE_MS) };
      german.say({ $case: 'hold', value });
    };
    await site.operator().closeGate({ name: GATE, reason: 'New disks.', reactionTime: msToDuration(60_000) });
    expect(await german.until('notice')).toMatchObject({ kind: NoticeKind.LOGOFF, text: 'New disks.' });
    expect((await refused({ user: 'other', language: 'de' })).text).toMatch(
      /^New disks\. Keine Anmeldung seit .* Sie können sich anmelden, sobald ein Administrator/,
    );
    ask(20);
    ask(0);
    ask(20);
    await german.until('holdDecision', ({ text }) => text.startsWith('Diese Abmeldung kann nicht verschoben werden'));
    await german.until('holdDecision', ({ text }) => text.startsWith('Mehr Zeit braucht einen Grund'));
    await german.until('holdDecision', ({ text }) => text.startsWith('Sie haben zu oft um mehr Zeit gebeten'));
    german.say({ $case: 'ready', value: {} });
    expect((await german.until('ended')).text).toMatch(/^Ihre Arbeit ist gespeichert/);
    await site.operator().openGate({ name: GATE, reason: 'Done.' });
  });
});
