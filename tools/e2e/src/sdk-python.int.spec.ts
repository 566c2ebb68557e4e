import { createTempFolder, startChild, type Child, type TempFolder, until } from '@lastcall/testkit';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openFrontDoor, type FrontDoor } from './world/front-door.js';
import { ROOT } from './world/lastcall-processes.js';
import { preparePython, problemOf } from './world/python-venv.js';

/*
 * The contract without our SDK: a client in Python, generated from the same proto files, before a real session service. Skipped by name
 * where there is no python3, or where pip cannot fetch grpcio in time.
 */

/** All of the folder, as the example says it. */
const PROTOS = ['lastcall/common/v1', 'lastcall/session/v1'].flatMap((folder) =>
  readdirSync(join(ROOT, 'proto', folder)).map((file) => `${folder}/${file}`),
);

const { python, problem } = preparePython('grpcio', 'grpcio-tools');
const suite = problem === undefined ? describe : describe.skip;

suite(problem === undefined ? 'a client in Python' : `a client in Python (needs python3 and pip: ${problem})`, () => {
  let generated: TempFolder;
  let door: FrontDoor;
  const programs: Child[] = [];

  beforeAll(async () => {
    generated = await createTempFolder('generated');
    const out = generated.path;
    const args = [
      '-m',
      'grpc_tools.protoc',
      '-I',
      join(ROOT, 'proto'),
      `--python_out=${out}`,
      `--grpc_python_out=${out}`,
    ];
    expect(problemOf(python, [...args, ...PROTOS], 60_000)).toBeUndefined();
    door = await openFrontDoor();
  }, 120_000);
  afterAll(async () => {
    await Promise.all(programs.map((program) => program.stop()));
    await door.stop();
    await generated.remove();
  });

  it('is told, says that the user has read it and is ready, is logged off, waits, and is in again', async () => {
    const client = startChild(python, [join(ROOT, 'libs/sdk/examples/python/client.py'), 'ada'], {
      ...door.env,
      PYTHONPATH: generated.path,
    });
    programs.push(client);
    await client.until(/^logged in as \S+$/);
    await door.hasInside(['ada']);
    expect(await door.sessionOf('ada')).toMatchObject({ version: '1.0.0', clientKind: 'terminal', read: false });

    await door.shut(60_000);
    await client.until(/^notice: .*We move house/);
    await client.until(/^logged off: END_REASON_READY$/);
    await door.hasInside([]);

    const before = client.lines.length;
    await door.open();
    const after = (): readonly string[] => client.lines.slice(before);
    await until(async () => after().includes('open again'), 'the reopening');
    await until(async () => after().some((line) => line.startsWith('logged in as')), 'the second login');
    await door.hasInside(['ada']);
  });
});
