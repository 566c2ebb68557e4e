import { sessionV1, type eventsV1 } from '@lastcall/contracts';
import { DAY_MS, HOUR_MS, MINUTE_MS, randomId, SECOND_MS } from '@lastcall/kernel';
import { CODE } from '@lastcall/sdk';
import { describeWith, startStack, type Stack, type StackOptions } from '@lastcall/testkit';
import { planner } from './domain/plan.js';
import { plansSpec } from './notices/plans.js';
import { sessionModule } from './service.js';
import { AttachClient } from './testing/attach-client.js';
import {
  backupTaken,
  INSTALLATION,
  installationChanged,
  installationUpdated,
  runPlanned,
  stagingCompleted,
  withoutTerminalServers,
} from './testing/run-events.js';

/*
 * What users hear of a planned run before the final notice, in their own languages: at each of the times before it, when it is moved
 * or cancelled, and when they are back again. The times are the real ones: the plan is made so that the next one comes in a moment.
 */

const { NoticeKind } = sessionV1;
const PARENT = `installations/${INSTALLATION}`;
const SETTINGS = { sessionLeaseMs: 10_000, resumeGraceMs: 1_500, heartbeatIntervalMs: 60_000, planSettleMs: 1_000 };
const LINK = 'https://help.example.com/updates';
/** From the plan to the next of its times. */
const SOON_MS = 1_200;
/** Announcements of one installation are this far from each other. */
const APART_MS = 3_000;

const { MOVED, ANNOUNCEMENT, CANCELLED, BACK_AGAIN, MESSAGE } = NoticeKind;

interface Readers {
  readonly german: AttachClient;
  readonly english: AttachClient;
}

function suite(options: Omit<StackOptions, 'modules'>): void {
  let stack: Stack;
  let fence = 0;
  let readers: Readers;

  beforeAll(async () => {
    stack = await startStack({ modules: [sessionModule], ...options, settings: { ...SETTINGS, ...options.settings } });
    await changed({
      linkHosts: ['help.example.com'],
      link: LINK,
      language: 'de',
      templates: [
        { kind: CANCELLED, language: 'de', text: 'Entfällt: {product} {version} am {start, date, short}.' },
        // Left out: Lastcall's own is there instead.
        { kind: MOVED, language: 'de', text: '{product' },
      ],
    });
    readers = await attachBoth();
  });
  afterAll(() => stack.stop());

  const catalog = 'catalog/installations/encore-berlin';
  async function changed(policy: Parameters<typeof sessionV1.SessionPolicy.fromPartial>[0]): Promise<void> {
    const sessionPolicy = sessionV1.SessionPolicy.fromPartial(policy);
    await stack.publish('InstallationChanged', INSTALLATION, installationChanged({ sessionPolicy }), catalog);
  }

  async function attach(user: string, language: string): Promise<{ client: AttachClient; welcome: sessionV1.Welcome }> {
    const until = Date.now() + 15_000;
    for (;;) {
      const client = new AttachClient(stack.channel('client', INSTALLATION), { user, language });
      const first = await Promise.race([client.until('welcome'), client.ended]);
      if (first && typeof first === 'object' && 'session' in first)
        return { client, welcome: first as sessionV1.Welcome };
      if (Date.now() > until) throw new Error(`${user} is not let in: ${JSON.stringify(client.heard)}`);
    }
  }

  async function attachBoth(): Promise<Readers> {
    const [german, english] = await Promise.all([attach('resi', 'de-AT'), attach('ann', 'en-GB')]);
    return { german: german.client, english: english.client };
  }

  const plan = (job: string, more: Partial<eventsV1.RunPlanned>) =>
    stack.publish('RunPlanned', INSTALLATION, runPlanned({ job, ...more }), `scheduler/plans/${INSTALLATION}/${job}`);

  /** What they are told of this plan, and not before. */
  async function told(
    kind: sessionV1.NoticeKind,
    startTime: Date,
    since: number,
  ): Promise<Record<keyof Readers, string>> {
    const fits = (notice: sessionV1.Notice) =>
      notice.kind === kind && notice.startTime?.getTime() === startTime.getTime() && notice.sentAt!.getTime() >= since;
    const [german, english] = await Promise.all([
      readers.german.until('notice', fits, 20_000),
      readers.english.until('notice', fits, 20_000),
    ]);
    expect(german.notice).toBe(english.notice);
    expect([german.link, english.link]).toEqual([LINK, LINK]);
    return { german: german.text, english: english.text };
  }

  const kindsOf = (client: AttachClient, of: (notice: sessionV1.Notice) => boolean) =>
    client.heard.flatMap(({ message }) =>
      message.$case === 'notice' && of(message.value) ? [message.value.kind] : [],
    );

  const start = (inMs: number) => new Date(Math.floor((Date.now() + inMs) / 1_000) * 1_000 + 1_000);

  it('tells at each of the times before the run, and when it is moved, each in their own language, once', async () => {
    const job = randomId('job');
    let isFirst = true;
    for (const beforeMs of [DAY_MS, HOUR_MS, 15 * MINUTE_MS, 5 * MINUTE_MS]) {
      const startTime = start(beforeMs + (isFirst ? SOON_MS : APART_MS + SOON_MS));
      const plannedAt = Date.now();
      // As the scheduler does it: a job that is edited is taken back first.
      if (!isFirst) await plan(job, { end: 'cancelled' });
      await plan(job, { startTime, message: 'Close the month before.' });
      if (!isFirst) {
        const moved = await told(MOVED, startTime, plannedAt);
        expect(moved.german).toMatch(
          /^Die Aktualisierung von Encore auf Version 11\.1\.0 beginnt zu einer anderen Zeit: /,
        );
        expect(moved.english).toMatch(/^The update of Encore to version 11\.1\.0 begins at another time: /);
      }
      isFirst = false;
      const dueAt = startTime.getTime() - beforeMs;
      const announced = await told(ANNOUNCEMENT, startTime, dueAt);
      expect(announced.german).toMatch(/^Encore wird auf Version 11\.1\.0 aktualisiert: .* MEZ|MESZ/);
      expect(announced.english).toMatch(/^Encore will be updated to version 11\.1\.0: /);
      expect(announced.english).toMatch(/\n\nClose the month before\.$/);
      // Not before its time, and not much later.
      const ofIt = (notice: sessionV1.Notice) => notice.startTime?.getTime() === startTime.getTime();
      const notice = readers.german.heard.findLast(({ message }) => message.$case === 'notice' && ofIt(message.value));
      expect(notice!.at - dueAt).toBeLessThan(5_000);
    }
    const all = kindsOf(readers.english, ({ text }) => text.endsWith('Close the month before.'));
    expect(all).toEqual([ANNOUNCEMENT, MOVED, ANNOUNCEMENT, MOVED, ANNOUNCEMENT, MOVED, ANNOUNCEMENT]);
    await plan(job, { end: 'started' });
  }, 90_000);

  it('tells at once, and only once, when some of the times have passed, and tells whoever logs in after that', async () => {
    const job = randomId('job');
    const startTime = start(30 * MINUTE_MS);
    await plan(job, { startTime });
    await told(ANNOUNCEMENT, startTime, 0);
    // Said again, as after a crash: nobody hears it twice.
    await plan(job, { startTime });
    const late = await attach('late', 'de-DE');
    expect(late.welcome.notice).toMatchObject({ kind: ANNOUNCEMENT, startTime, link: LINK });
    expect(late.welcome.notice?.text).toContain('Encore wird auf Version 11.1.0 aktualisiert');
    const other = await attach('other', 'fr-FR');
    expect(other.welcome.notice?.text).toContain('Encore wird auf Version 11.1.0 aktualisiert');

    await plan(job, { end: 'cancelled' });
    const cancelled = await told(CANCELLED, startTime, 0);
    const date = new Intl.DateTimeFormat('de-AT', { dateStyle: 'short', timeZone: 'Europe/Berlin' });
    expect(cancelled.german).toMatch(/^Entfällt: Encore 11\.1\.0 am \d+\.\d+\.\d+\.$/);
    expect(date.format(startTime)).toMatch(/^\d+\.\d+\.\d+$/);
    expect(cancelled.english).toBe('The update of Encore that was announced does not take place.');
    await late.client.until('notice', ({ kind }) => kind === CANCELLED);
    const ofIt = (notice: sessionV1.Notice) => notice.startTime?.getTime() === startTime.getTime();
    expect(kindsOf(readers.english, ofIt)).toEqual([ANNOUNCEMENT, CANCELLED]);
    expect(kindsOf(late.client, ofIt)).toEqual([CANCELLED]);
    // It stands for an hour: whoever heard of the run may have been away.
    const after = await attach('after', 'en');
    expect(after.welcome.notice).toMatchObject({ kind: CANCELLED });
    for (const { client } of [late, other, after]) client.cut();
  });

  it('says nothing of a plan that nobody has heard of, and follows the settings when they change', async () => {
    const job = randomId('job');
    const startTime = start(2 * DAY_MS);
    await plan(job, { startTime });
    await plan(job, { startTime: start(3 * DAY_MS) });
    await plan(job, { end: 'cancelled' });
    const again = randomId('job');
    await plan(again, { startTime });
    // A time that has passed already for what stands: told as soon as the settings are heard.
    await changed({
      linkHosts: ['help.example.com'],
      link: LINK,
      language: 'de',
      announceBefore: [{ seconds: BigInt((3 * DAY_MS) / SECOND_MS), nanos: 0 }],
    });
    await told(ANNOUNCEMENT, startTime, 0);
    expect(kindsOf(readers.german, (notice) => notice.startTime?.getTime() === startTime.getTime())).toEqual([
      ANNOUNCEMENT,
    ]);
    await changed({ announcementsOff: true });
    await plan(again, { end: 'cancelled' });
    const message = await operator().sendNotice({ parent: PARENT, text: 'nothing of it' });
    await readers.english.until('notice', ({ notice }) => notice === message.notice?.notice);
    expect(kindsOf(readers.english, (notice) => notice.startTime?.getTime() === startTime.getTime())).toEqual([
      ANNOUNCEMENT,
    ]);
    await changed({ linkHosts: ['help.example.com'], link: LINK, language: 'de' });
  });

  const operator = () => stack.client(sessionV1.SessionServiceService);

  it('says what was to be said before a crash', async () => {
    const plans = await stack.store('session').collection(plansSpec);
    const startTime = start(40 * MINUTE_MS);
    await plans.change(`${INSTALLATION}/crashed`, (_, { now }) => {
      const run = { startAt: startTime.getTime(), product: 'Encore', version: '', message: '' };
      const command = { type: 'plan', run, beforeMs: [HOUR_MS], notice: 'n-before-the-crash', at: now } as const;
      const events = planner.decide(planner.initial, command);
      if (!Array.isArray(events)) throw new Error('a plan refuses nothing');
      const state = events.reduce(planner.evolve, planner.initial);
      const write = { installation: INSTALLATION, sequence: 1, saidAt: now, plan: state, dueAt: now };
      return { write, result: undefined };
    });
    const texts = await told(ANNOUNCEMENT, startTime, 0);
    expect(texts.german).toMatch(/^Encore wird aktualisiert: /);
    expect(kindsOf(readers.german, ({ notice }) => notice === 'n-before-the-crash')).toHaveLength(1);
    await plan('crashed', { end: 'started' });
  });

  it('sends a free message as it is, to everybody, and refuses one that is none', async () => {
    const text = 'Coffee is ready.\nKaffee {ist} fertig.';
    const { notice } = await operator().sendNotice({ parent: PARENT, text: `  ${text}\n` });
    expect(notice).toMatchObject({ kind: MESSAGE, text, deadline: undefined, startTime: undefined });
    for (const client of [readers.german, readers.english]) {
      const heard = await client.until('notice', (other) => other.notice === notice?.notice);
      expect(heard).toMatchObject({ kind: MESSAGE, text, link: LINK });
    }
    for (const wrong of ['', '  \n ', 'x'.repeat(4_001), 'turn \u202e around', 'ring \u0007']) {
      await expect(operator().sendNotice({ parent: PARENT, text: wrong })).rejects.toMatchObject({
        code: CODE.invalidArgument,
        violations: [{ field: 'text' }],
      });
    }
  });

  it('tells who comes back what is new', async () => {
    const run = withoutTerminalServers({ fence: ++fence, product: 'Encore', whatsNew: 'Faster postings.' });
    const of = (message: { run?: { run: string } | undefined }) => message.run?.run === run.run;
    await stack.publish('StagingCompleted', INSTALLATION, stagingCompleted(run));
    const [german, english] = await Promise.all([
      readers.german.until('notice', ({ kind }) => kind === NoticeKind.LOGOFF),
      readers.english.until('notice', ({ kind }) => kind === NoticeKind.LOGOFF),
    ]);
    expect(german.text).toMatch(
      /^Encore wird auf Version 11\.1\.0 aktualisiert\. Sie werden um \d\d:\d\d abgemeldet\./,
    );
    expect(english.text).toMatch(
      /^Encore is going to be updated to version 11\.1\.0\. You will be logged off at \d\d:\d\d\./,
    );
    await stack.seen('SessionsDrained', of, 20_000);
    await stack.publish('BackupTaken', INSTALLATION, backupTaken(run));
    await stack.seen('DrainConfirmed', of, 20_000);
    const waiting = (async () => {
      let last: sessionV1.WaitForReopeningResponse | undefined;
      for await (const message of operator().waitForReopening({ name: PARENT, host: '', language: '' })) last = message;
      return last;
    })();
    await stack.publish('InstallationUpdated', INSTALLATION, installationUpdated(run));
    await stack.seen('GateReopened', of, 20_000);
    const last = await waiting;
    expect(last).toMatchObject({ open: true, gate: { notice: { kind: BACK_AGAIN, version: '11.1.0' } } });
    const client = new AttachClient(stack.channel('client', INSTALLATION), {
      user: 'ann',
      language: 'en-GB',
      version: '11.1.0',
    });
    const welcome = await client.until('welcome');
    expect(welcome.notice).toMatchObject({
      kind: BACK_AGAIN,
      text: 'Encore is available again in version 11.1.0. What is new: Faster postings.',
    });
    client.cut();
  });
}

describe('announcements, embedded', () => suite({}));
describeWith('mongodb', 'announcements, MongoDB', () => {
  describeWith('nats', 'and NATS', () => suite({ store: 'mongodb', bus: 'nats' }));
});
