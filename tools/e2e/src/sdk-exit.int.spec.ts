import { startChild, startProgram, type Child } from '@lastcall/testkit';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { join } from 'node:path';
import { openFrontDoor, type FrontDoor } from './world/front-door.js';
import { PARENT } from './world/services.js';

/*
 * A session never keeps the program of its application running: not while it is attached, and not while it is being connected to a server
 * that refuses, is silent, or drops packets.
 */

/** Whoever connects to it waits for ever: it accepts nobody, and its queue is full. */
const BLACK_HOLE = `
import socket, time
server = socket.socket()
server.bind(('127.0.0.1', 0))
server.listen(0)
clients = []
for i in range(8):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(server.getsockname())
    clients.append(client)
print(server.getsockname()[1], flush=True)
time.sleep(120)
`;

describe('a program with a session', () => {
  let door: FrontDoor;
  const silent: Server = createServer(() => {});
  const programs: Child[] = [];

  beforeAll(async () => {
    door = await openFrontDoor();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  });
  afterEach(async () => void (await Promise.all(programs.splice(0).map((program) => program.stop()))));
  afterAll(async () => {
    silent.close();
    await door.stop();
  });

  function start(env: Readonly<Record<string, string>> = {}): Child {
    const program = startProgram(join(__dirname, 'world/idle-program.ts'), [], { ...door.env, ...env });
    programs.push(program);
    return program;
  }

  /** How long it ran after it had nothing to do, at most. */
  async function endsByItself(program: Child): Promise<number> {
    const from = Date.now();
    expect(await program.exited).toEqual({ code: 0, signal: null });
    expect(program.lines).toContain('nothing left to do');
    return Date.now() - from;
  }

  it('ends by itself while the session is attached, and its user is logged off at once', async () => {
    const program = start();
    await program.until(/^attached$/);
    await endsByItself(program);
    await door.hasInside([]); // Long before the grace of a lost connection is over.
  });

  it('ends by itself over TLS too', async () => {
    const tlsDoor = await openFrontDoor({ tls: true });
    try {
      const program = start(tlsDoor.env);
      await program.until(/^attached$/);
      await endsByItself(program);
      await tlsDoor.hasInside([]);
    } finally {
      await tlsDoor.stop();
    }
  });

  it('runs as long as it has something to do, and hears what it is told', async () => {
    const program = start({ WORK_MS: '3000' });
    await program.until(/^attached$/);
    await door.operator.sendNotice({ parent: PARENT, text: 'Coffee is ready.' });
    await program.until(/^Coffee is ready/);
    await door.hasInside(['ada']);
    await endsByItself(program);
    await door.hasInside([]);
  });

  it('runs on for its session where it wants to', async () => {
    const program = start({ KEEP_ALIVE: '1' });
    await program.until(/^attached$/);
    await door.hasInside(['ada']);
    await door.shut(300);
    await program.until(/We move house/);
    await door.hasInside([]);
    await door.open();
    await door.hasInside(['ada']);
    program.kill('SIGTERM');
    expect(await program.exited).toMatchObject({ signal: 'SIGTERM' });
  });

  it('runs on for a first start, which is all that it is there for', async () => {
    const program = start({ LASTCALL_ADDR: '127.0.0.1:1', LASTCALL_FIRST_START_CODE: 'secret', WORK_MS: '1' });
    await program.until(/^LASTCALL_UNREACHABLE/);
    program.kill('SIGTERM');
    expect(await program.exited).toMatchObject({ signal: 'SIGTERM' });
  });

  it.each([
    ['refuses', async () => '127.0.0.1:1'],
    ['does not exist', async () => 'nowhere.invalid:7421'],
    ['says nothing', async () => `127.0.0.1:${(silent.address() as AddressInfo).port}`],
    ['says nothing, with TLS,', async () => `https://127.0.0.1:${(silent.address() as AddressInfo).port}`],
  ])('ends by itself when the server %s', async (_, address) => {
    const program = start({ LASTCALL_ADDR: await address(), WORK_MS: '1000' });
    await endsByItself(program);
  });

  it('ends within 6 s when packets to the server are lost', async () => {
    const hole = startChild('python3', ['-c', BLACK_HOLE]);
    programs.push(hole);
    const [port = ''] = await hole.until(/^\d+$/);
    const program = start({ LASTCALL_ADDR: `127.0.0.1:${port}`, WORK_MS: '1' });
    expect(await endsByItself(program)).toBeLessThan(12_000);
  });
});
