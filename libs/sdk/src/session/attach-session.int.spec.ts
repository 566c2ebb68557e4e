import { sessionV1 } from '@lastcall/contracts';
import { Server, ServerCredentials, type ServerDuplexStream, type ServerWritableStream } from '@grpc/grpc-js';
import { openChannel, type Channel } from '../channel.js';
import { attachSession } from './attach-session.js';
import type { AttachOptions } from './session-api.js';

type AttachCall = ServerDuplexStream<sessionV1.AttachRequest, sessionV1.AttachResponse>;
type WaitCall = ServerWritableStream<sessionV1.WaitForReopeningRequest, sessionV1.WaitForReopeningResponse>;
type Said = NonNullable<sessionV1.AttachRequest['message']>;
type Saying = NonNullable<sessionV1.AttachResponse['message']>;

/** Things that happen, to be waited for one after the other. */
class Signals<T> {
  private readonly items: T[] = [];
  private readonly takers: ((item: T) => void)[] = [];
  put(item: T): void {
    const taker = this.takers.shift();
    if (taker) taker(item);
    else this.items.push(item);
  }
  next(): Promise<T> {
    const item = this.items.shift();
    return item === undefined ? new Promise((resolve) => this.takers.push(resolve)) : Promise.resolve(item);
  }
  get waiting(): number {
    return this.items.length;
  }
}

/** A session edge that does what the test says, on a real port. */
class Door {
  readonly attached = new Signals<{ call: AttachCall; hello: sessionV1.Hello }>();
  readonly said = new Signals<Said>();
  readonly waits = new Signals<WaitCall>();
  readonly ends = new Signals<string>();
  clockAheadMs = 0;
  private readonly server = new Server();

  async start(): Promise<string> {
    this.server.addService(sessionV1.SessionServiceService, {
      attach: (call: AttachCall) => this.attach(call),
      waitForReopening: (call: WaitCall) => this.waits.put(call),
    });
    const port = await new Promise<number>((resolve, reject) =>
      this.server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (e, p) => (e ? reject(e) : resolve(p))),
    );
    return `127.0.0.1:${port}`;
  }

  private attach(call: AttachCall): void {
    call.on('data', ({ message }: sessionV1.AttachRequest) => {
      if (message?.$case === 'hello') this.attached.put({ call, hello: message.value });
      else if (message) this.said.put(message);
    });
    call.on('end', () => this.ends.put('end'));
    call.on('cancelled', () => this.ends.put('cancelled'));
  }

  say(call: AttachCall, message: Saying): void {
    call.write({ serverTime: new Date(Date.now() + this.clockAheadMs), message });
  }

  welcome(call: AttachCall, more: Partial<sessionV1.Welcome> = {}): void {
    const value = sessionV1.Welcome.fromPartial({
      session: 's-1',
      resumeToken: 'again',
      heartbeatInterval: { seconds: 0n, nanos: 100_000_000 },
      ...more,
    });
    this.say(call, { $case: 'welcome', value });
  }

  stop(): void {
    this.server.forceShutdown();
  }
}

describe('attachSession', () => {
  const door = new Door();
  let address: string;
  const toClose: (() => void)[] = [];
  beforeAll(async () => (address = await door.start()));
  afterEach(() => toClose.splice(0).forEach((close) => close()));
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
      onReopened: () => heard.put(['reopened']),
      onEnded: (...end) => heard.put(['ended', ...end]),
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
    call.end();
    await goodbye;
    expect(await session.finished).toBe('goodbye');
    door.clockAheadMs = 0;
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
    expect(lost.request).toEqual({ name: 'installations/berlin', host: 'ws-1' });
    lost.end(); // A replica that goes away; the waiting goes on elsewhere.
    const wait = await door.waits.next();
    wait.write(sessionV1.WaitForReopeningResponse.fromPartial({ open: true }));
    wait.end();
    door.welcome((await door.attached.next()).call);
    expect(await heard.next()).toEqual(['attached', 's-1']);
    expect(await heard.next()).toEqual(['reopened']);
  });

  it('lets the application save before it waits', async () => {
    let saved = (): void => {};
    const saving = new Promise<void>((resolve) => (saved = resolve));
    const ends = new Signals<readonly unknown[]>();
    const { session } = attach({
      onEnded: (...end) => {
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

  it('ends for good when the server says so, even when the application fails', async () => {
    const mistakes: unknown[] = [];
    const { session } = attach({
      onEnded: () => {
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
    expect(mistakes).toEqual([new Error('a mistake of the application')]);
  });

  it('asks for a hold and hands over the answer', async () => {
    const { session, heard } = attach();
    const { call } = await door.attached.next();
    door.welcome(call);
    await heard.next();
    const answer = session.hold('in the middle of a booking', 60_000);
    let said = await door.said.next();
    while (said.$case !== 'hold') said = await door.said.next();
    expect(said.value).toEqual({ reason: 'in the middle of a booking', duration: { seconds: 60n, nanos: 0 } });
    door.say(call, { $case: 'holdDecision', value: { granted: false, text: 'No.', expiresAt: undefined } });
    expect(await answer).toMatchObject({ granted: false, text: 'No.' });
  });

  it('carries many sessions on one channel, and leaves it open', async () => {
    const channel = open();
    const sessions = Array.from({ length: 50 }, (_, i) => attach({ channel, user: `user-${i}` }).session);
    const peers = new Set<string>();
    for (let i = 0; i < sessions.length; i++) {
      const { call } = await door.attached.next();
      peers.add(call.getPeer());
      call.on('end', () => call.end());
      door.welcome(call, { session: `s-${i}` });
    }
    expect(peers.size).toBe(1);
    await Promise.all(sessions.map((session) => session.goodbye()));
    expect(new Set(await Promise.all(sessions.map((session) => session.finished)))).toEqual(new Set(['goodbye']));
  });

  it('says what is missing', () => {
    expect(() => attachSession({ user: '', version: '1.0.0', env: {} })).toThrow(/user.*LASTCALL_INSTALLATION/);
  });
});
