import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Door, Signals } from '../testing/door.js';
import { attachSession } from './attach-session.js';
import type { AttachOptions, SessionCallbacks } from './session-api.js';
import type { SessionProblem } from './session-problem.js';

/* Whatever is wrong, the application runs on, and its developer is told. */

describe('a session that cannot be', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-sdk-'));
  const door = new Door();
  let address: string;
  beforeAll(async () => (address = await door.start()));
  let warnings: jest.SpyInstance;
  beforeEach(() => {
    warnings = jest.spyOn(process, 'emitWarning').mockReturnValue();
    jest.spyOn(Math, 'random').mockReturnValue(0.05); // Comes back soon.
  });
  afterEach(() => jest.restoreAllMocks());
  afterAll(() => {
    door.stop();
    rmSync(dir, { recursive: true });
  });

  const env = () => ({
    LASTCALL_ADDR: address,
    LASTCALL_TOKEN_FILE: join(dir, 'token'),
    LASTCALL_INSTALLATION: 'berlin',
  });

  function attach(options: unknown) {
    const problems = new Signals<SessionProblem>();
    const onError = (problem: SessionProblem): void => problems.put(problem);
    return { problems, session: attachSession({ onError, ...(options as AttachOptions) }) };
  }

  it.each<[string, () => unknown, RegExp]>([
    ['no user', () => ({ user: '', version: '1.0.0', env: env() }), /user is empty/],
    ['no version', () => ({ user: 'ada', env: env() }), /version is not a text/],
    ['no installation', () => ({ user: 'ada', version: '1', env: {} }), /LASTCALL_INSTALLATION/],
    [
      'no address',
      () => ({ user: 'ada', version: '1', installation: 'x', env: { LASTCALL_DATA_DIR: dir } }),
      /LASTCALL_ADDR/,
    ],
    ['wrong TLS files', () => ({ user: 'ada', version: '1', env: { ...env(), LASTCALL_TLS_CA_FILE: dir } }), /EISDIR/],
    ['a user of another type', () => ({ user: 42, version: '1', env: env() }), /user is not a text/],
  ])('for %s is over at once, and does nothing', async (_, options, message) => {
    const { session, problems } = attach(options());
    expect(await problems.next()).toMatchObject({ code: 'LASTCALL_SETTINGS', message: expect.stringMatching(message) });
    expect(session).toMatchObject({ phase: 'finished', notice: undefined, exempt: false });
    session.ready();
    session.acknowledge();
    expect(await session.hold('month-end', 5)).toMatchObject({ granted: false });
    await session.goodbye();
    expect(await session.finished).toBe('refused');
    expect(Math.abs(session.serverNow() - Date.now())).toBeLessThan(1_000);
  });

  it('without any options is over at once, with a warning of the process', () => {
    expect(attachSession(undefined as never).phase).toBe('finished');
    const warning = expect.objectContaining({ type: 'LastcallWarning', code: 'LASTCALL_SETTINGS' });
    expect(warnings).toHaveBeenCalledWith(expect.stringMatching(/the session cannot begin/), warning);
  });

  it('tells the process when onError fails too', () => {
    const onError = (): never => {
      throw new Error('and this too');
    };
    attachSession({ user: '', version: '1', env: {}, onError });
    const said = expect.stringMatching(/and this too.*user is empty/);
    expect(warnings).toHaveBeenCalledWith(said, expect.objectContaining({ code: 'LASTCALL_CALLBACK' }));
  });

  it('waits for its credential: told once for each reason, and in when it is there', async () => {
    const token = join(dir, 'token');
    const { session, problems } = attach({ user: 'ada', version: '1.0.0', env: env() });
    expect(await problems.next()).toMatchObject({ code: 'LASTCALL_CREDENTIAL', message: expect.stringMatching(/ENOENT/) }); // prettier-ignore
    mkdirSync(token);
    expect(await problems.next()).toMatchObject({ code: 'LASTCALL_CREDENTIAL', message: expect.stringMatching(/EISDIR/) }); // prettier-ignore
    rmSync(token, { recursive: true });
    writeFileSync(token, 'not\na credential');
    expect(await problems.next()).toMatchObject({ code: 'LASTCALL_CREDENTIAL', message: expect.stringMatching(/illegal/) }); // prettier-ignore
    writeFileSync(token, 'secret\n');
    const { call } = await door.attached.next();
    expect(call.metadata.get('authorization')).toEqual(['Bearer secret']);
    door.welcome(call);
    expect(problems.waiting).toBe(0);
    await session.goodbye();
  });

  it('tells the developer that nobody answers, once', async () => {
    const unreachable = { ...env(), LASTCALL_ADDR: '127.0.0.1:1', LASTCALL_TOKEN_FILE: '/dev/null' };
    const { session, problems } = attach({ user: 'ada', version: '1.0.0', env: unreachable });
    expect(await problems.next()).toMatchObject({ code: 'LASTCALL_UNREACHABLE', message: expect.stringMatching(/ECONNREFUSED/) }); // prettier-ignore
    await session.goodbye();
    expect(problems.waiting).toBe(0);
  });

  it.each<keyof SessionCallbacks>(['onAttached', 'onNotice', 'onCountdown', 'onNoticeWithdrawn'])(
    'does not mind a mistake in %s, thrown or rejected',
    async (name) => {
      for (const fail of [
        () => {
          throw new Error('a mistake');
        },
        () => Promise.reject(new Error('a mistake')),
      ]) {
        const { session, problems } = attach({ user: 'ada', version: '1.0.0', env: env(), [name]: fail });
        const { call } = await door.attached.next();
        const notice = { notice: 'n-1', text: 'Log off', deadline: new Date(door.now() + 60_000) };
        door.welcome(call, { notice: { ...EMPTY, ...notice } });
        door.say(call, { $case: 'noticeWithdrawn', value: { notice: 'n-1', text: '' } });
        expect(await problems.next()).toMatchObject({
          code: 'LASTCALL_CALLBACK',
          message: `${name} failed: a mistake`,
        });
        expect(session.phase).toBe('attached');
        await session.goodbye();
      }
    },
  );
});

const EMPTY = { version: '', kind: 0, link: '', sentAt: undefined, startTime: undefined } as const;
