import { startProgram, type Child, until } from '@lastcall/testkit';
import { join } from 'node:path';
import { openFrontDoor, type FrontDoor } from './world/front-door.js';
import { ROOT } from './world/lastcall-processes.js';
import { PARENT } from './world/services.js';

/* The examples of the SDK, each a program of its own before a real session service. */

describe('the example of', () => {
  let door: FrontDoor;
  const programs: Child[] = [];
  beforeAll(async () => (door = await openFrontDoor({ settings: { resumeGraceMs: 1_000 } })));
  afterEach(async () => {
    await Promise.all(programs.splice(0).map((program) => program.stop()));
    await door.open();
  });
  afterAll(() => door.stop());

  function start(example: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Child {
    const program = startProgram(join(ROOT, 'libs/sdk/examples', `${example}.ts`), args, { ...door.env, ...env });
    programs.push(program);
    return program;
  }

  it('a terminal: told, a hold, read, ready, logged off with the work saved, back again, gone', async () => {
    const terminal = start('terminal', ['ada']);
    await terminal.until(/^logged in$/);
    await door.operator.sendNotice({ parent: PARENT, text: 'Coffee is ready.' });
    await terminal.until(/^message: Coffee is ready\.$/);
    terminal.write('hold 0 forever\n');
    await terminal.until(/^LASTCALL_HOLD: A hold is for 1–240 minutes/);
    terminal.write('write a letter\n');
    await door.shut(60_000);
    await terminal.until(/^logoff: .*We move house/);
    await terminal.until(/^60 s left$/);
    await terminal.until(/^58 s left$/);
    terminal.write('ok\n');
    await until(async () => (await door.sessionOf('ada'))?.read === true, 'the reading');
    terminal.write('ready\n');
    await terminal.until(/^saved: a letter$/);
    await terminal.until(/^logged off \(ready\)/);
    await door.hasInside([]);
    await door.open();
    await terminal.until(/^back again\.$/);
    await door.hasInside(['ada']);
    terminal.write('quit\n');
    expect(await terminal.exited).toEqual({ code: 0, signal: null });
    await door.hasInside([]);
  });

  it('a desktop application in two halves: the window reads, saves, is locked and unlocked', async () => {
    const desktop = start('electron', ['ben']);
    await desktop.until(/^unlocked$/);
    await door.shut(3_000);
    await desktop.until(/^banner: .*We move house/);
    await until(async () => (await door.sessionOf('ben'))?.read === true, 'the reading');
    await desktop.until(/^1 s$/);
    await desktop.until(/^open work saved$/);
    await desktop.until(/^locked: /);
    const before = desktop.lines.length;
    await door.open();
    await until(async () => desktop.lines.slice(before).some((line) => line.startsWith('unlocked')), 'the unlocking');
    await door.hasInside(['ben']);
  });

  it('a web server: many users over one connection, each with a page and the same countdown', async () => {
    const web = start('web-server', [], { PORT: '0' });
    const [, url = ''] = await web.until(/^listening on (http:\S+)$/);
    const ask = async (method: string, path: string): Promise<Record<string, unknown>> =>
      (await (await fetch(url + path, { method })).json()) as Record<string, unknown>;
    const page = async (user: string): Promise<unknown> => (await ask('GET', `/state?user=${user}`))['page'];
    const users = Array.from({ length: 40 }, (_, i) => `web-${i}`);
    await Promise.all(users.map((user) => ask('POST', `/login?user=${user}`)));
    await door.hasInside(users);
    await ask('POST', '/logout?user=web-39');
    await door.hasInside(users.slice(0, 39));

    await door.shut(3_000);
    const notices = async () => Promise.all(users.slice(0, 39).map((user) => ask('GET', `/state?user=${user}`)));
    await until(async () => (await notices()).every((state) => state['secondsLeft'] !== undefined), 'the notices');
    const left = (await notices()).map((state) => Number(state['secondsLeft']));
    expect(Math.max(...left) - Math.min(...left)).toBeLessThanOrEqual(1);
    await ask('POST', '/read?user=web-0');
    await until(async () => (await door.sessionOf('web-0'))?.read === true, 'the reading');
    await door.hasInside([]);
    await until(async () => (await page('web-0')) === 'locked', 'the locked page');
    await door.open();
    await door.hasInside(users.slice(0, 39));
    await until(async () => (await page('web-38')) === 'working', 'the open page');
    web.kill('SIGTERM');
    expect(await web.exited).toEqual({ code: 0, signal: null });
    await door.hasInside([]);
  });
});
