import { attachSession, openChannel, readConnection } from '@lastcall/sdk';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgram } from './program.js';
import { createTestIo, type TestIo } from './testing/test-io.js';

describe('lastcall', () => {
  const dir = mkdtempSync(join(tmpdir(), 'lastcall-cli-'));
  const dataDir = join(dir, 'data');
  let stop = (): void => {};
  let up: Promise<number>;

  function io(env: Record<string, string> = {}): TestIo {
    return createTestIo({ LASTCALL_DATA_DIR: dataDir, LASTCALL_LOG_LEVEL: 'error', ...env });
  }

  async function lastcall(...args: string[]) {
    const world = io();
    const exitCode = await createProgram(world).run(args);
    return { exitCode, out: world.out.text, err: world.err.text };
  }

  async function json(...args: string[]): Promise<Record<string, never>> {
    const { exitCode, out, err } = await lastcall(...args, '-o', 'json');
    if (exitCode !== 0) throw new Error(err);
    return JSON.parse(out) as Record<string, never>;
  }

  beforeAll(async () => {
    const world = io();
    stop = () => world.stop();
    up = createProgram(world).run(['up', '--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0']);
    await Promise.race([world.out.shows('Credential'), up.then(() => Promise.reject(new Error(world.err.text)))]);
  });
  afterAll(async () => {
    stop();
    expect(await up).toBe(0);
    rmSync(dir, { recursive: true });
  });

  it('leaves what other commands need, for its owner only, and refuses a second one', async () => {
    expect(statSync(join(dataDir, 'operator.token')).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(join(dataDir, 'endpoints.json'), 'utf8'))).toEqual({
      grpc: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      http: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
    });
    const second = await lastcall('up');
    expect(second.exitCode).toBe(3);
    expect(second.err).toMatch(/Another Lastcall is running/);
  });

  it('publishes a folder, again without harm, and takes it back', async () => {
    const folder = join(dir, 'encore');
    mkdirSync(join(folder, 'app'), { recursive: true });
    writeFileSync(join(folder, 'app/serve'), 'x'.repeat(100_000));
    const manifest = `product: encore\nversion: 1.0.0\ntitle: Encore\nartifacts: [{role: server, directory: app}]\ncommands: {}\n`;
    writeFileSync(join(folder, 'lastcall.yaml'), manifest);
    const first = await lastcall('release', 'publish', folder);
    expect(first).toMatchObject({ exitCode: 0, err: '' });
    expect(first.out).toMatch(/uploading 1 file \(97\.7 KiB\)[^]*published encore 1\.0\.0 in stable/);
    expect((await lastcall('release', 'publish', folder)).out).not.toMatch(/uploading/);
    expect(await json('release', 'list')).toMatchObject({ releases: [{ version: '1.0.0', state: 'RELEASE_STATE_PUBLISHED' }] }); // prettier-ignore
    const promoted = await lastcall('release', 'promote', 'encore', '1.0.0', '--channel', 'preview');
    expect(promoted).toMatchObject({ exitCode: 0, out: 'encore 1.0.0 is in preview\n' });
    expect((await lastcall('release', 'promote', 'encore', '9.9.9', '--channel', 'preview')).exitCode).toBe(4);
    writeFileSync(join(folder, 'lastcall.yaml'), manifest.replace('role: server', 'role: servant'));
    const wrong = await lastcall('release', 'publish', folder);
    expect(wrong.exitCode).toBe(2);
    expect(wrong.err).toMatch(/lastcall\.yaml:4: artifacts\[0\]\.role must be one of/);
    expect((await lastcall('release', 'show', 'encore', '9.9.9')).exitCode).toBe(4);
  });

  it('adds an installation, which the other commands then find by themselves', async () => {
    const added = await lastcall('installation', 'add', 'berlin', '--product', 'encore', '--zone', 'Europe/Berlin', '--hours', 'mon-sun 00:00-23:59', '--reaction-time', '5s'); // prettier-ignore
    expect(added).toMatchObject({ exitCode: 0, err: '' });
    expect((await lastcall('installation', 'set', 'berlin', '--title', 'Head office')).exitCode).toBe(0);
    expect(await json('installation', 'show')).toMatchObject({ title: 'Head office', reactionTime: '5s' });
    expect((await lastcall('installation', 'add', 'x', '--product', 'encore', '--zone', 'Mars/Olympus')).exitCode).toBe(
      2,
    );
    const token = await lastcall('host', 'join-token', 'server-1', '--role', 'server');
    expect(token.out).toMatch(/^\S{20,}\n$/);
    expect(token.err).toMatch(/Europe\/Berlin/);
    expect((await lastcall('host', 'list')).out).toMatch(/no hosts/);
  });

  it('sets how users are told, held and let in, and leaves what is not named', async () => {
    expect((await lastcall('installation', 'show', 'berlin')).out).toMatch(/Announced +24 h, 1 h, 15 min, 5 min before a planned run/); // prettier-ignore
    const text = join(dir, 'logoff.txt');
    writeFileSync(text, 'Bitte bis {deadline, time, short} abmelden.\n');
    const set = (...args: string[]) => lastcall('installation', 'set', 'berlin', ...args);
    const first = await set(
      ...['--exempt-user', 'ada', '--exempt-user', 'bob', '--announce-before', '2h, 30m', '--language', 'de'],
      ...['--notice-template', `logoff:de=${text}`, '--link-host', 'help.example.org'],
      ...[
        '--link',
        'https://help.example.org/update',
        '--hold-longest',
        '30m',
        '--hold-max',
        '5',
        '--hold-delay',
        '1h',
      ],
    );
    expect(first).toMatchObject({ exitCode: 0, err: '' });
    expect(first.out).toMatch(/Exempt users +ada, bob\nAnnounced +2 h, 30 min before a planned run\nOwn texts +logoff \(de\)/); // prettier-ignore
    expect(first.out).toMatch(/Holds +up to 30 min each, 5 in a run, 1 h altogether\n/);
    const second = await set('--hold-approval', '--reopening-ramp', '0s', '--no-announcements', '--exempt-user', '');
    expect(second).toMatchObject({ exitCode: 0, err: '' });
    expect(second.out).not.toMatch(/Exempt/);
    expect(second.out).toMatch(/Announced +with the final notice only\n/);
    expect(second.out).toMatch(/1 h altogether, each with the consent of a second person\n/);
    expect(await json('installation', 'show')).toMatchObject({
      sessionPolicy: {
        announceBefore: ['7200s', '1800s'],
        announcementsOff: true,
        templates: [
          { kind: 'NOTICE_KIND_LOGOFF', language: 'de', text: 'Bitte bis {deadline, time, short} abmelden.' },
        ],
        holds: { longest: '1800s', maxCount: 5, maxTotalDelay: '3600s', needsApproval: true },
        reopeningRamp: '0s',
      },
    });
    expect((await set('--announcements', '--notice-template', 'logoff:de=')).out).not.toMatch(/Own texts/);
  });

  it.each([
    [['--announce-before', 'soon'], /--announce-before is "soon"; write a time span/],
    [['--notice-template', 'hello:de=x'], /write kind:language=file, with a kind of announcement, moved/],
    [['--notice-template', 'logoff:de=/nowhere'], /\/nowhere, which cannot be read/],
    [['--hold-max', '0'], /--hold-max is "0"; allowed are 1 to 200/],
    [['--hold-longest', '5h'], /installation\.session_policy\.holds\.longest/],
    [['--link', 'http://example.org'], /installation\.session_policy\.link/],
  ])('refuses %j with what is allowed', async (args, message) => {
    const refused = await lastcall('installation', 'set', 'berlin', ...args);
    expect(refused.exitCode).toBe(2);
    expect(refused.err).toMatch(message);
  });

  it('says which cautions have to be confirmed, and how', async () => {
    const refused = await lastcall('job', 'create', 'update', '--in', '1h');
    expect(refused.exitCode).toBe(3);
    expect(refused.err).toMatch(/--confirm inside-business-hours/);
    const saved = await lastcall('job', 'create', 'update', '--in', '1h', '--confirm', 'inside-business-hours');
    expect(saved).toMatchObject({ exitCode: 0, err: '' });
    expect(saved.out).toMatch(/State +disabled/);
    expect(saved.out).toMatch(/About this time:\n.* is inside business hours\n.*there is no history of logins yet/);
    expect(saved.out).toMatch(/no run of this kind has succeeded here yet/);
    expect((await lastcall('job', 'create', 'update', '--in', '2h', '--confirm', 'inside-business-hours')).exitCode).toBe(3); // prettier-ignore
    const edited = await lastcall('job', 'edit', 'update', '--title', 'At night', '--confirm', 'inside-business-hours');
    expect(edited.out).toMatch(/Title +At night/);
    const early = await lastcall('job', 'enable', 'update');
    expect(early).toMatchObject({ exitCode: 3, err: expect.stringContaining('the installation has no hosts') });
    expect(await json('job', 'list')).toMatchObject({ jobs: [{ title: 'At night', state: 'JOB_STATE_DISABLED' }] });
    expect((await lastcall('job', 'disable', 'update')).exitCode).toBe(0);
    expect((await lastcall('job', 'delete', 'update')).exitCode).toBe(0);
    expect((await lastcall('job', 'show', 'update')).exitCode).toBe(4);
  });

  it('tells what is known of the time of an update before it asks for what has to be confirmed', async () => {
    const refused = await lastcall('update', 'now', '--yes', '--no-watch', '--version', '1.0.0', '--in', '1h');
    expect(refused.exitCode).toBe(3);
    expect(refused.out).toMatch(
      /^About this time:\n +\w+ \d\d:\d\d is inside business hours\n +there is no history of logins yet/,
    );
    expect(refused.err).toMatch(/--confirm inside-business-hours/);
    // What is wrong with the job is said once, by who saves it.
    const wrong = await lastcall('update', 'now', '--yes', '--version', '1.0.0', '--in', '1h', '--job', 'A B', '--title', '\u0007'); // prettier-ignore
    expect(wrong.exitCode).toBe(2);
    expect(wrong.err.match(/job\.title/g)).toHaveLength(1);
  });

  it('names quieter times, and who is usually there', async () => {
    const none = await lastcall('job', 'suggest-time');
    expect(none).toMatchObject({ exitCode: 0, out: 'no time of the next two weeks has nothing against it\n' });
    const set = (...args: string[]) => lastcall('installation', 'set', 'berlin', ...args);
    expect((await set('--hours', 'mon-fri 08:00-18:00', '--holidays-of', 'de-be', '--works-on', '2026-12-25')).out).toMatch(/Holidays of +DE-BE\nWorks on +2026-12-25/); // prettier-ignore
    const { out } = await lastcall('job', 'suggest-time', '--type', 'data-backup');
    expect(out).toMatch(/^TIME \(Europe\/Berlin\) +QUIET UNTIL +USUALLY +PEAK +WHY\n/);
    expect(out.trim().split('\n')).toHaveLength(4);
    expect(out).toMatch(/outside business hours, with two clear hours around it/);
    expect((await lastcall('job', 'create', 'xmas', '--at', '2027-12-26T10:00')).out).toMatch(/sun 10:00 is outside|2027-12-26 is a holiday \(Boxing Day\)/); // prettier-ignore
    const ofJob = await json('job', 'suggest-time', '--job', 'xmas');
    expect(ofJob).toMatchObject({
      outlook: { holiday: 'Boxing Day', length: { median: '1800s', nineInTen: '1800s' } },
    });
    expect((ofJob as unknown as { suggestedTimes: object[] }).suggestedTimes).toHaveLength(3);
    expect((await lastcall('job', 'suggest-time', '--job', 'xmas', '--type', 'data-backup')).exitCode).toBe(2);
    expect((await lastcall('session', 'history')).out).toMatch(/nobody was counted yet|^FROM/);
    const wrong = await set('--holidays-of', 'DE-XX', '--works-on', '2026-02-30');
    expect(wrong.exitCode).toBe(2);
    expect(wrong.err).toMatch(/installation\.holidays_of[^]*allowed are DE, DE-BB, DE-BE/);
    expect(wrong.err).toMatch(/installation\.worked_holidays\[0\]/);
    expect((await lastcall('job', 'delete', 'xmas')).exitCode).toBe(0);
    expect((await set('--holidays-of', '', '--works-on', '')).out).not.toMatch(/Holidays|Works on/);
  });

  it('shows who is logged in, tells them, and shuts and opens the gate', async () => {
    const tokenFile = join(dir, 'client.token');
    expect((await lastcall('token', 'create', 'encore', '--role', 'client', '-i', 'berlin', '--out', tokenFile)).exitCode).toBe(0); // prettier-ignore
    const { address } = readConnection({ LASTCALL_DATA_DIR: dataDir });
    const channel = openChannel({ address, credential: () => readFileSync(tokenFile, 'utf8').trim() });
    const heard: string[] = [];
    const listeners: (() => void)[] = [];
    const hear = (what: string): void => {
      heard.push(what);
      listeners.splice(0).forEach((wake) => wake());
    };
    const until = async (what: string): Promise<void> => {
      while (!heard.includes(what)) await new Promise<void>((resolve) => listeners.push(resolve));
    };
    const session = attachSession({
      user: 'ada',
      version: '1.0.0',
      installation: 'berlin',
      env: {},
      channel,
      onAttached: () => hear('attached'),
      onNotice: ({ text }) => hear(text),
      onLogoff: (reason) => hear(reason),
      onReopened: () => hear('reopened'),
    });
    await until('attached');
    expect(await json('session', 'list')).toMatchObject({ sessions: [{ user: 'ada', version: '1.0.0' }] });
    const table = await lastcall('session', 'list', '--user', 'ada', '--unread', '--limit', '1');
    expect(table.out).toMatch(
      /USER +NAME +HOST +VERSION +KIND +SINCE \(Europe\/Berlin\) +LAST SEEN +NOTICE +CONNECTION/,
    );
    expect(table.out).toMatch(/\nada .* 1\.0\.0 .* up +\S+\n$/);
    expect((await lastcall('session', 'list', '--lost')).out).toBe('nobody is logged in\n');
    expect((await lastcall('session', 'list', '--host', 'elsewhere')).out).toBe('nobody is logged in\n');
    const watcher = io();
    const watched = createProgram(watcher).run(['session', 'list', '--watch']);
    await watcher.out.shows('ada (');
    watcher.stop();
    expect(await watched).toBe(0);
    expect((await lastcall('notice', 'send', 'Coffee is ready.')).out).toBe('sent to 1 user\n');
    await until('Coffee is ready.');
    expect((await lastcall('gate', 'close', '--reason', 'We move.', '--reaction-time', '0s')).exitCode).toBe(0);
    await until('deadline');
    expect((await lastcall('gate', 'show')).out).toMatch(/Gate +(closing|closed)\nReason +We move\./);
    expect((await lastcall('hold', 'list')).out).toBe('no holds\n');
    expect((await lastcall('hold', 'release', 'h-aaaaaaaaaaaaaaaa', '--reason', 'x')).exitCode).toBe(4);
    expect((await lastcall('hold', 'approve', 'h-aaaaaaaaaaaaaaaa')).exitCode).toBe(4);
    expect((await lastcall('gate', 'first-start', 'berlin', 'ts-1')).exitCode).toBe(3);
    expect((await lastcall('gate', 'open', '--reason', 'Moved.')).exitCode).toBe(0);
    await until('reopened');
    await session.goodbye();
    channel.close();
  });

  it('says of itself whether something is wrong', async () => {
    const doctor = await lastcall('doctor');
    expect(doctor).toMatchObject({ exitCode: 0, err: '' });
    expect(doctor.out).toMatch(/session +version \d+\.\d+\.\d+, up .*\n[^]*berlin +gate open[^]*Nothing is wrong\.\n$/);
    expect((await lastcall('deadletter', 'list')).out).toBe('no dead letters\n');
    expect((await lastcall('deadletter', 'redrive', 'dl-1')).exitCode).toBe(4);
  });

  it('lists and ends credentials', async () => {
    const { tokens } = (await json('token', 'list')) as unknown as { tokens: { name: string; role: string }[] };
    const client = tokens.find((t) => t.role === 'ROLE_CLIENT');
    expect((await lastcall('token', 'revoke', client?.name ?? '')).out).toMatch(/^revoked tok-/);
  });

  it('answers for what is not there, not reachable, and not a command', async () => {
    expect((await lastcall('run', 'show', 'r-none')).exitCode).toBe(4);
    const unreachable = io({ LASTCALL_ADDR: '127.0.0.1:1' });
    expect(await createProgram(unreachable).run(['gate', 'show', '-i', 'berlin'])).toBe(5);
    expect(unreachable.err.text).toMatch(/Is Lastcall running/);
    expect((await lastcall('gate', 'smash')).exitCode).toBe(2);
    expect((await lastcall('job', 'create', '--help')).exitCode).toBe(0);
  });
});
