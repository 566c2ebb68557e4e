import { Ajv } from 'ajv';
import schema from './lastcall.schema.json';
import { parseManifest, type ManifestProblem, type ReleaseManifest } from './manifest.js';

const GOOD = `product: encore
version: 11.1.0
title: Encore 11.1
updatesFrom: { oldest: 11.0.0 }
artifacts:
  - role: server
    directory: server
  - { role: terminal-server, directory: client }
requires:
  os: [{ name: linux, version: "4.19" }]
  memory: 512 MiB
  ports: [8080]
antivirus: { folders: ["\${dataDir}"] }
commands:
  server:
    stop: { run: [node, stop.js], timeout: 30s }
    start: { run: [node, start.js] }
    health: { http: "http://127.0.0.1:\${ENCORE_PORT}/health", timeout: 5s }
    migrate: { run: [node, migrate.js], timeout: 5m }
    backup: { run: [node, backup.js] }
    verifyBackup: { run: [node, verify.js] }
    restore: { run: [node, restore.js] }
  terminal-server:
    firstStart: { run: [node, client.js, --first-start] }
`;

function good(text: string): ReleaseManifest {
  const parsed = parseManifest(text);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return parsed.manifest;
}

function problems(text: string): readonly ManifestProblem[] {
  const parsed = parseManifest(text);
  return parsed.ok ? [] : parsed.problems;
}

it('has a schema that is one', () => expect(() => new Ajv({ allErrors: true }).compile(schema)).not.toThrow());

describe('parseManifest', () => {
  const CHECK =
    '{ id: database, role: server, asks: the database is new enough, run: [node, db.js], remedy: Update it. }';

  it('reads checks of the vendor', () => {
    const found = { id: 'database', role: 'server', run: ['node', 'db.js'], timeoutMs: 5_000, remedy: 'Update it.' };
    expect(good(`${GOOD}checks: [${CHECK}]\n`).checks).toMatchObject([found]);
    expect(good(GOOD).checks).toBeUndefined();
  });

  it('refuses checks that fit nothing, all at once', () => {
    const more = [
      CHECK,
      CHECK,
      CHECK.replace('database', 'b').replace('server', 'workstation'),
      CHECK.replace('database', 'c').replace(' }', ', timeout: 11s }'),
    ];
    expect(problems(`${GOOD}checks:\n${more.map((c) => `  - ${c}\n`).join('')}`).map((p) => p.path)).toEqual([
      'checks[1].id',
      'checks[2].role',
      'checks[3].timeout',
    ]);
  });

  const ACTION = '{ id: reindex, title: Build the index again, role: server, run: [node, reindex.js] }';

  it('reads actions', () => {
    const found = { id: 'reindex', role: 'server', run: ['node', 'reindex.js'], timeoutMs: 600_000 };
    expect(good(`${GOOD}actions: [${ACTION}]\n`).actions).toMatchObject([found]);
    expect(good(GOOD).actions).toBeUndefined();
  });

  it('refuses actions that fit nothing, all at once', () => {
    const more = [
      ACTION,
      ACTION,
      ACTION.replace('reindex,', 'b,').replace('server', 'workstation'),
      ACTION.replace('reindex,', 'c,').replace(' }', ', timeout: 5h }'),
    ];
    expect(problems(`${GOOD}actions:\n${more.map((a) => `  - ${a}\n`).join('')}`).map((p) => p.path)).toEqual([
      'actions[1].id',
      'actions[2].role',
      'actions[3].timeout',
    ]);
  });

  it.each([
    ['a shell line', ACTION.replace('[node, reindex.js]', 'node reindex.js'), 'actions[0].run'],
    ['nothing to run', ACTION.replace('[node, reindex.js]', '[]'), 'actions[0].run'],
    ['an id that is no word', ACTION.replace('id: reindex', 'id: "Re index"'), 'actions[0].id'],
    ['no title', ACTION.replace('Build the index again', '""'), 'actions[0].title'],
    ['a field that it does not have', ACTION.replace(' }', ', user: root }'), 'actions[0].user'],
  ])('refuses an action with %s', (_, action, path) => {
    expect(problems(`${GOOD}actions: [${action}]\n`).map((p) => p.path)).toEqual([path]);
  });

  it('reads every field, with units and defaults', () => {
    expect(good(GOOD)).toMatchObject({
      product: 'encore',
      updatesFrom: { oldest: '11.0.0', required: [] },
      artifacts: [
        { role: 'server', platform: 'any', directory: 'server' },
        { role: 'terminal-server', platform: 'any', directory: 'client' },
      ],
      requires: { os: [{ name: 'linux', version: '4.19' }], memoryBytes: 512 * 2 ** 20, cpus: 0, ports: [8080] },
      commands: {
        server: {
          stop: { run: ['node', 'stop.js'], timeoutMs: 30_000 },
          health: { http: 'http://127.0.0.1:${ENCORE_PORT}/health', timeoutMs: 5_000 },
          migrate: { timeoutMs: 300_000 },
          backup: { timeoutMs: 1_800_000 },
        },
        'terminal-server': { firstStart: { run: ['node', 'client.js', '--first-start'] } },
      },
    });
  });

  it.each([
    ['a wrong version', GOOD.replace('version: 11.1.0', 'version: "11.1"'), 2, 'version', 'must match'],
    ['an unknown field', GOOD.replace('title:', 'titel: x\ntitle:'), 3, 'titel', 'is not a field'],
    ['an unknown role', GOOD.replace('role: server', 'role: servers'), 6, 'artifacts[0].role', 'must be one of server'],
    [
      'a shell line',
      GOOD.replace('[node, start.js]', 'node start.js'),
      17,
      'commands.server.start.run',
      'must be array',
    ],
    ['a size without unit', GOOD.replace('512 MiB', '512'), 11, 'requires.memory', 'must be string'],
    ['a port out of range', GOOD.replace('[8080]', '[70000]'), 12, 'requires.ports[0]', 'must be <= 65535'],
    [
      'a foreign health address',
      GOOD.replace('127.0.0.1', '10.0.0.1'),
      18,
      'commands.server.health',
      'address of this host',
    ],
    [
      'a folder outside',
      GOOD.replace('directory: server', 'directory: ../server'),
      7,
      'artifacts[0].directory',
      'below the manifest',
    ],
    ['no way back', GOOD.replace(/^ {4}restore.*\n/m, ''), 19, 'commands.server.migrate', 'needs backup and restore'],
    [
      'a role without files',
      GOOD.replace('  terminal-server:', '  workstation:'),
      23,
      'commands.workstation',
      'no artifact',
    ],
    [
      'two answers',
      GOOD.replace('timeout: 5s', 'run: [x], timeout: 5s'),
      18,
      'commands.server.health',
      'exactly one of run and http',
    ],
    ['a duplicate key', GOOD.replace('title:', 'version: 1.0.0\ntitle:'), 3, '', 'unique'],
  ])('refuses %s and names line, path and rule', (_, text, line, path, rule) => {
    expect(problems(text)).toContainEqual({ line, path, rule: expect.stringContaining(rule) });
  });

  it('names every mistake at once, in order of the lines', () => {
    const found = problems('product: ENCORE\nversion: x\ntitle: ""\nartifacts: []\n');
    expect(found.map((p) => p.path)).toEqual(expect.arrayContaining(['product', 'version', 'title', 'artifacts', '']));
    expect(found.map((p) => p.line)).toEqual(found.map((p) => p.line).toSorted((a, b) => a - b));
  });

  it.each([
    ['a billion laughs', 'a: &a [x, x]\nproduct: [*a, *a]\n'],
    ['no YAML', 'product: [\n'],
    ['an empty file', ''],
    ['a list', '- a\n'],
    ['a file that is too large', `# ${'x'.repeat(300_000)}`],
  ])('refuses %s', (_, text) => expect(problems(text).length).toBeGreaterThan(0));
});
