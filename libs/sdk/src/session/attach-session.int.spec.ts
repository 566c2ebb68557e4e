import { msToDuration, sessionV1 } from '@lastcall/contracts';
import { openChannel, type Channel } from '../channel.js';
import { Door, Signals } from '../testing/door.js';
import { attachSession } from './attach-session.js';
import type { AttachedSession, AttachOptions } from './session-api.js';
import type { SessionProblem } from './session-problem.js';

describe('attachSession', () => {
  const door = new Door();
  let address: string;
  const toClose: (() => void)[] = [];
  beforeAll(async () => (address = await door.start()));
  afterEach(() => {
    toClose.splice(0).forEach((close) => close());
    door.reset();
  });
  afterAll(() => door.stop());

  function open(): Channel {
    const channel = openChannel({ address, credential: () => 'secret', random: () => 0 });
    toClose.push(() => channel.close());
    return channel;
  }

  function attach(more: Partial<AttachOptions> = {}) {
    const heard = new Signals<readonly unknown[]>();
    const session = attachSession({
      user: 'ada',
      version: '11.0.0',
      channel: open(),
      env: { LASTCALL_INSTALLATION: 'berlin', LASTCALL_HOST: 'ws-1' },
      onAttached: (id) => heard.put(['attached', id]),
      onNotice: (notice) => heard.put(['notice', notice]),
      onNoticeWithdrawn: (id, text) => heard.put(['withdrawn', id, text]),
      onRefused: (text, expectedAt) => heard.put(['refused', text, expectedAt]),
      onReopened: (whatsNew) => heard.put(['reopened', whatsNew]),
      onLogoff: (...end) => heard.put(['ended', ...end]),
      ...more,
    });
    toClose.push(() => void session.goodbye());
    return { session, heard };
  }

  const notice = (deadline: Date): sessionV1.Notice =>
    sessionV1.Notice.fromPartial({ notice: 'n-1', text: 'Please log off', deadline, version: '11.1.0' });

  it('says who it is, beats, shows a notice with the countdown of the server, and says goodbye', async () => {
    door.clockAheadMs = 3_600_000;
    const { session, heard } = attach();
    const { call, hello } = await door.attached.next();
    expect(hello).toMatchObject({ installation: 'berlin', user: 'ada', displayName: 'ada', host: 'ws-1', version: '11.0.0' }); // prettier-ignore
    door.welcome(call);
    expect(await heard.next()).toEqual(['attached', 's-1']);
    expect(await door.said.next()).toMatchObject({ $case: 'heartbeat' });

    door.say(call, { $case: 'notice', value: notice(new Date(Date.now() + 3_600_000 + 60_000)) });
    const [, shown] = (await heard.next()) as [string, Parameters<NonNullable<AttachOptions['onNotice']>>[0]];
    expect(shown).toMatchObject({ id: 'n-1', text: 'Please log off', version: '11.1.0' });
    expect(shown.secondsLeft()).toBeGreaterThanOrEqual(59);
    expect(shown.secondsLeft()).toBeLessThanOrEqual(61);
    shown.acknowledge();
    const acknowledgements: unknown[] = [];
    while (acknowledgements.length < 2) {
      const said = await door.said.next();
      if (said.$case === 'acknowledgement') acknowledgements.push(said.value);
    }
    expect(acknowledgements).toEqual([
      { notice: 'n-1', read: false },
      { notice: 'n-1', read: true },
    ]);

    const goodbye = session.goodbye();
    let said = await door.said.next();
    while (said.$case === 'heartbeat') said = await door.said.next();
    expect(said.$case).toBe('goodbye');
    expect(await door.ends.next()).toBe('end');
    await goodbye;
    expect(await session.finished).toBe('goodbye');
  });

  it('comes back as the same session after a lost connection, and drops the repeated notice', async () => {
    const { heard } = attach();
    const first = await door.attached.next();
    const standing = notice(new Date(Date.now() + 60_000));
    door.welcome(first.call, { notice: standing });
    expect(await heard.next()).toEqual(['attached', 's-1']);
    expect((await heard.next())[0]).toBe('notice');
    first.call.destroy(Object.assign(new Error('replica gone'), { code: 14 }));

    const second = await door.attached.next();
    expect(second.hello.resumeToken).toBe('again');
    // By the clock: a program that is started anew goes on above the one before it.
    expect(second.hello.attempt).toBeGreaterThan(first.hello.attempt);
    expect(Math.abs(Number(first.hello.attempt) - Date.now())).toBeLessThan(60_000);
    door.welcome(second.call, { notice: standing });
    expect(await heard.next()).toEqual(['attached', 's-1']);
    door.say(second.call, { $case: 'noticeWithdrawn', value: { notice: 'n-1', text: 'Cancelled' } });
    expect(await heard.next()).toEqual(['withdrawn', 'n-1', 'Cancelled']);
  });

  it('waits for the reopening when it is refused, and tells', async () => {
    const { heard } = attach();
    const { call } = await door.attached.next();
    const expectedAt = new Date(Date.now() + 600_000);
    const value = sessionV1.Refused.fromPartial({ reason: sessionV1.RefusalReason.GATE_SHUT, text: 'An update runs.', expectedAt }); // prettier-ignore
    door.say(call, { $case: 'refused', value });
    call.end();
    expect(await heard.next()).toEqual(['refused', 'An update runs.', expectedAt]);
    const lost = await door.waits.next();
    expect(lost.request).toEqual({ name: 'installations/berlin', host: 'ws-1', language: '' });
    lost.end(); // A replica that goes away; the waiting goes on elsewhere.
    const wait = await door.waits.next();
    const news = { notice: 'n-9', kind: sessionV1.NoticeKind.BACK_AGAIN, text: 'New: a waiting list.' };
    wait.write(sessionV1.WaitForReopeningResponse.fromPartial({ open: true, gate: { notice: news } }));
    wait.end();
    door.welcome((await door.attached.next()).call);
    expect(await heard.next()).toEqual(['attached', 's-1']);
    expect(await heard.next()).toEqual(['reopened', 'New: a waiting list.']);
  });

  it('lets the application save before it waits', async () => {
    let saved = (): void => {};
    const saving = new Promise<void>((resolve) => (saved = resolve));
    const ends = new Signals<readonly unknown[]>();
    const { session } = attach({
      onLogoff: (...end) => {
        ends.put(end);
        return saving;
      },
    });
    const { call } = await door.attached.next();
    door.welcome(call);
    const value = { reason: sessionV1.EndReason.DEADLINE, text: 'Update', comeBack: true };
    door.say(call, { $case: 'ended', value });
    call.end();
    expect(await ends.next()).toEqual(['deadline', 'Update', true]);
    expect(session.phase).toBe('leaving');
    expect(door.waits.waiting).toBe(0);
    saved();
    await door.waits.next();
  });

  describe('when the server waits for it to save', () => {
    async function loggedOff(onLogoff: NonNullable<AttachOptions['onLogoff']>, withinMs: number) {
      const { session } = attach({ onLogoff });
      const { call, hello } = await door.attached.next();
      expect(hello.savesOnLogoff).toBe(true);
      door.welcome(call);
      const value = { reason: sessionV1.EndReason.DEADLINE, text: 'Update', comeBack: true };
      door.say(call, { $case: 'ended', value: { ...value, saveWithin: msToDuration(withinMs) } });
      return session;
    }

    /** Streams that the test before has left are cancelled about now. */
    async function sideEnded(): Promise<void> {
      while ((await door.ends.next()) !== 'end');
    }

    it('ends its side of the stream when the work is saved', async () => {
      const begun = new Signals<string>();
      let saved = (): void => {};
      const session = await loggedOff(() => {
        begun.put('saving');
        return new Promise<void>((resolve) => (saved = resolve));
      }, 60_000);
      await begun.next();
      expect(session.phase).toBe('leaving');
      expect(door.ends.waiting).toBe(0);
      saved();
      await sideEnded();
      await door.waits.next();
    });

    it('ends it when the time is over, and lets the application go on saving', async () => {
      const session = await loggedOff(() => new Promise<void>(() => {}), 100);
      await sideEnded();
      expect(session.phase).toBe('leaving');
    });

    it('ends it also when saving failed', async () => {
      await loggedOff(() => Promise.reject(new Error('disk full')), 60_000);
      await sideEnded();
    });

    it('ends it also when the user leaves for good meanwhile, who does not wait for it', async () => {
      const left = new Signals<string>();
      const onLogoff = async (): Promise<void> => {
        await session.goodbye();
        left.put('left');
      };
      const session: AttachedSession = await loggedOff(onLogoff, 60_000);
      await left.next();
      await sideEnded();
      expect(await session.finished).toBe('goodbye');
    });

    it('does not say that it saves when nobody would', async () => {
      attach({ onLogoff: undefined } as unknown as Partial<AttachOptions>);
      expect((await door.attached.next()).hello.savesOnLogoff).toBe(false);
    });
  });

  it('ends for good when the server says so, even when the application fails', async () => {
    const mistakes: SessionProblem[] = [];
    const { session } = attach({
      onLogoff: () => {
        throw new Error('a mistake of the application');
      },
      onError: (error) => mistakes.push(error),
    });
    const { call } = await door.attached.next();
    door.welcome(call);
    const value = { reason: sessionV1.EndReason.FIRST_START_DONE, text: '', comeBack: false };
    door.say(call, { $case: 'ended', value });
    call.end();
    expect(await session.finished).toBe('first-start-done');
    expect(mistakes).toMatchObject([{ code: 'LASTCALL_CALLBACK', cause: new Error('a mistake of the application') }]);
  });

  it('says what it says by itself in the language of its user', async () => {
    const { session } = attach({ language: 'de-AT' });
    expect(await session.hold('', 5)).toMatchObject({ text: expect.stringMatching(/^Mehr Zeit braucht einen Grund/) });
    expect(await session.hold('Monatsabschluss', 5)).toMatchObject({ text: 'Es gibt keine Verbindung zum Server.' });
    const none = attachSession({ user: 'resi', version: '', language: 'de', onError: () => {} });
    expect(await none.hold('Monatsabschluss', 5)).toMatchObject({ text: 'Es gibt keine Sitzung.' });
    const english = attachSession({ user: 'ann', version: '', language: 'fr', onError: () => {} });
    expect(await english.hold('month-end', 5)).toMatchObject({ text: 'There is no session.' });
  });

  it('asks for a hold and hands over the answer', async () => {
    const { session, heard } = attach();
    const { call } = await door.attached.next();
    door.welcome(call);
    await heard.next();
    const answer = session.hold('in the middle of a booking', 1);
    let said = await door.said.next();
    while (said.$case !== 'hold') said = await door.said.next();
    expect(said.value).toEqual({ reason: 'in the middle of a booking', duration: { seconds: 60n, nanos: 0 } });
    door.say(call, {
      $case: 'holdDecision',
      value: { granted: false, awaitsApproval: false, text: 'No.', expiresAt: undefined, hold: '' },
    });
    expect(await answer).toMatchObject({ granted: false, text: 'No.' });
  });

  it('tells later what a second person decided on a hold', async () => {
    const decisions = new Signals<unknown>();
    const { session, heard } = attach({ onHoldDecided: (answer) => decisions.put(answer) });
    const { call } = await door.attached.next();
    door.welcome(call, { longestHold: { seconds: 1_800n, nanos: 0 } });
    await heard.next();
    expect(session.longestHoldMinutes).toBe(30);
    const answer = session.hold('month-end posting', 30);
    let said = await door.said.next();
    while (said.$case !== 'hold') said = await door.said.next();
    const decide = (hold: string, awaitsApproval: boolean, granted = true): void => {
      const value = { granted, awaitsApproval, text: hold, expiresAt: undefined, hold };
      door.say(call, { $case: 'holdDecision', value });
    };
    decide('h-1', true);
    expect(await answer).toMatchObject({ granted: true, awaitsApproval: true });
    const second = session.hold('and the year’s end', 30);
    // Not the answer to what is asked meanwhile; and said again, it is no news.
    decide('h-1', false);
    decide('h-1', false);
    decide('h-2', false, false);
    expect(await second).toMatchObject({ granted: false, text: 'h-2' });
    decide('h-3', false);
    expect(await decisions.next()).toMatchObject({ granted: true, awaitsApproval: false, text: 'h-1' });
    // Asked for before a connection was lost: nobody waits for the answer any more, and it is told all the same.
    expect(await decisions.next()).toMatchObject({ text: 'h-3' });
  });

  it.each([
    ['', 5],
    ['x'.repeat(201), 5],
    ['month-end', 0],
    ['month-end', 241],
    ['month-end', NaN],
    [undefined, 5],
    ['month-end', '5'],
  ])('answers a hold of %j for %j minutes itself, and tells the developer', async (reason, minutes) => {
    const problems: SessionProblem[] = [];
    const { session } = attach({ onError: (problem) => problems.push(problem) });
    const { call } = await door.attached.next();
    door.welcome(call);
    expect(await session.hold(reason as string, minutes as number)).toMatchObject({ granted: false });
    expect(problems).toMatchObject([{ code: 'LASTCALL_HOLD' }]);
  });

  it('counts down by the clock of the server, and stops when the notice is withdrawn', async () => {
    door.answersHeartbeats = true;
    const ticks = new Signals<readonly [number, string]>();
    const { heard } = attach({ onCountdown: (seconds, { id }) => ticks.put([seconds, id]) });
    const { call } = await door.attached.next();
    door.welcome(call, { notice: notice(new Date(door.now() + 2_500)) });
    await heard.next();
    const seconds = [];
    for (let i = 0; i < 4; i++) seconds.push(await ticks.next());
    expect(seconds).toEqual([3, 2, 1, 0].map((n) => [n, 'n-1']));
    door.say(call, { $case: 'notice', value: { ...notice(new Date(door.now() + 5_000)), notice: 'n-2' } });
    expect(await ticks.next()).toEqual([5, 'n-2']);
    door.say(call, { $case: 'noticeWithdrawn', value: { notice: 'n-2', text: '' } });
    await heard.next();
    while ((await heard.next())[0] !== 'withdrawn');
    expect(ticks.waiting).toBe(0);
  });

  it('counts down together with all others, an hour off and with messages that are late', async () => {
    const clients = 30;
    door.clockAheadMs = -3_600_000;
    door.answersHeartbeats = true;
    let n = 0;
    door.delaysMs = () => ({ there: (n++ * 37) % 150, back: (n++ * 53) % 150 });
    const ticks = new Signals<{ readonly seconds: number; readonly at: number }>();
    const channel = open();
    const attached = Array.from({ length: clients }, (_, i) =>
      attach({
        channel,
        user: `user-${i}`,
        onCountdown: (seconds) => ticks.put({ seconds, at: door.now() }),
      }),
    );
    const deadline = door.now() + 4_000;
    for (let i = 0; i < clients; i++)
      door.welcome((await door.attached.next()).call, { notice: notice(new Date(deadline)) });
    const heard = new Map<number, number[]>();
    while ((heard.get(0)?.length ?? 0) < clients) {
      const { seconds, at } = await ticks.next();
      heard.set(seconds, [...(heard.get(seconds) ?? []), at]);
    }
    for (const seconds of [2, 1, 0]) {
      const times = heard.get(seconds) ?? [];
      expect(times).toHaveLength(clients);
      expect(Math.max(...times) - Math.min(...times)).toBeLessThanOrEqual(200);
      expect(Math.max(...times.map((at) => Math.abs(at - (deadline - seconds * 1000))))).toBeLessThanOrEqual(200);
    }
    const clocks = attached.map(({ session }) => session.serverNow() - door.now());
    expect(Math.max(...clocks.map(Math.abs))).toBeLessThanOrEqual(200);
  });

  it('needs no callback: the user is told on the wire, logged off, waits and is in again', async () => {
    const session = attachSession({
      user: 'quiet',
      version: '1.0.0',
      channel: open(),
      installation: 'berlin',
      env: {},
    });
    toClose.push(() => void session.goodbye());
    const { call } = await door.attached.next();
    door.welcome(call, { notice: notice(new Date(door.now() + 50)) });
    let said = await door.said.next();
    while (said.$case !== 'acknowledgement') said = await door.said.next();
    expect(said.value).toEqual({ notice: 'n-1', read: false });
    const value = { reason: sessionV1.EndReason.DEADLINE, text: 'Update', comeBack: true };
    door.say(call, { $case: 'ended', value });
    call.end();
    const wait = await door.waits.next();
    wait.write(sessionV1.WaitForReopeningResponse.fromPartial({ open: true }));
    wait.end();
    const again = await door.attached.next();
    expect(again.hello).toMatchObject({ user: 'quiet', resumeToken: '' });
    door.welcome(again.call);
    while (session.phase !== 'attached') await new Promise((resolve) => setImmediate(resolve));
  });

  it('carries many sessions on one channel, and leaves it open', async () => {
    const channel = open();
    const sessions = Array.from({ length: 50 }, (_, i) => attach({ channel, user: `user-${i}` }).session);
    const users: Record<string, string[]> = {};
    for (let i = 0; i < sessions.length; i++) {
      const { call, hello } = await door.attached.next();
      (users[call.getPeer()] ??= []).push(hello.user);
      door.welcome(call, { session: `s-${i}` });
    }
    expect(Object.values(users)).toEqual([sessions.map((_, i) => `user-${i}`)]);
    await Promise.all(sessions.map((session) => session.goodbye()));
    expect(new Set(await Promise.all(sessions.map((session) => session.finished)))).toEqual(new Set(['goodbye']));
  });
});
