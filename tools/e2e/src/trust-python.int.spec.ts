import {
  ATTACKS,
  PRODUCT,
  publishTwice,
  SEEN,
  startRepository,
  WANTED,
  type TestRepository,
} from '@lastcall/agent/testing';
import { catalogModule } from '@lastcall/catalog';
import { catalogV1 } from '@lastcall/contracts';
import { installerModule } from '@lastcall/installer';
import { sha256Hex } from '@lastcall/kernel';
import { createTempFolder, startStack, type Stack, type TempFolder } from '@lastcall/testkit';
import { spawn, type ChildProcess } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ROOT } from './world/lastcall-processes.js';
import { preparePython } from './world/python-venv.js';
import { addSite, publishRelease } from './world/site.js';

/*
 * python-tuf, an implementation of The Update Framework that is not ours, as the second opinion: it verifies what our catalog publishes, and refuses the
 * same attacks as the agent. Skipped by name where there is no python3, or where pip cannot fetch it in time.
 */

const { python, problem } = preparePython('tuf==7.0.0');
const suite = problem === undefined ? describe : describe.skip;

interface Answer {
  readonly got?: string;
  /** The exception and the classes above it. */
  readonly refused?: readonly string[];
  readonly why?: string;
}

interface Client {
  ask(folder: string, url: string, target: string, token: string, root?: Buffer): Promise<Answer>;
  stop(): void;
}

function startClient(): Client {
  const child: ChildProcess = spawn(python, [join(ROOT, 'tools/e2e/src/world/python-tuf.py')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return {
    ask: async (folder, url, target, token, root) => {
      const asked = { folder, url, target, token, root: root?.toString() ?? '', timeout: 2 };
      child.stdin?.write(`${JSON.stringify(asked)}\n`);
      const { value, done } = await lines.next();
      if (done) throw new Error('python-tuf has ended');
      return JSON.parse(value) as Answer;
    },
    stop: () => child.kill(),
  };
}

suite(problem === undefined ? 'python-tuf' : `python-tuf (needs python3 and pip: ${problem})`, () => {
  let client: Client;
  let home: TempFolder;
  beforeAll(async () => {
    home = await createTempFolder('python-tuf');
    client = startClient();
  });
  afterAll(async () => {
    client.stop();
    await home.remove();
  });

  describe('of our catalog', () => {
    let stack: Stack;
    beforeAll(async () => {
      stack = await startStack({ modules: [catalogModule, installerModule] });
      await addSite(stack);
    });
    afterAll(() => stack.stop());

    it('verifies each release from the first root on, and what is withdrawn is not there', async () => {
      const headers = { authorization: `Bearer ${stack.token('operator')}` };
      const root = Buffer.from(await (await fetch(`${stack.httpUrl}/tuf/root.json`, { headers })).arrayBuffer());
      const get = (path: string) =>
        client.ask(join(home.path, 'real'), stack.httpUrl, path, stack.token('operator'), root);
      for (const version of ['11.0.0', '11.1.0']) {
        await publishRelease(stack, version);
        for (const name of ['lastcall.yaml', 'server-any.tree.json']) {
          const { got, ...trouble } = await get(`encore/${version}/${name}`);
          expect(trouble).toEqual({});
          const bytes = await fetch(`${stack.httpUrl}/tuf/targets/encore/${version}/${got}.${name}`, { headers });
          expect(sha256Hex(Buffer.from(await bytes.arrayBuffer()))).toBe(got);
        }
      }
      const name = 'products/encore/releases/11.1.0';
      await stack.client(catalogV1.CatalogServiceService).withdrawRelease({ name, reason: 'loses bookings' });
      expect(await get('encore/11.1.0/lastcall.yaml')).toEqual({ refused: ['not found'] });
      expect((await get('encore/11.0.0/lastcall.yaml')).got).toMatch(/^[0-9a-f]{64}$/);
    });
  });

  describe('under attack', () => {
    let repository: TestRepository;
    let forget: () => void;
    const template = () => join(home.path, 'template');
    const victim = () => join(home.path, 'victim');
    beforeAll(async () => {
      repository = await startRepository(PRODUCT);
      publishTwice(repository);
      const { got } = await get(template(), SEEN);
      expect(got).toMatch(/^[0-9a-f]{64}$/);
    });
    afterAll(() => repository.close());
    beforeEach(() => {
      cpSync(template(), victim(), { recursive: true });
      forget = repository.remember();
    });
    afterEach(() => {
      forget();
      repository.sign({ version: 2 });
      rmSync(victim(), { recursive: true });
    });

    /** The manifest is enough for attacks on metadata; those on texts are on the tree too. */
    async function get(folder: string, version: string): Promise<Answer> {
      const ask = (name: string) =>
        client.ask(folder, repository.url, `${PRODUCT}/${version}/${name}`, 'eyJ', repository.root);
      const manifest = await ask('lastcall.yaml');
      return manifest.refused ? manifest : ask('server-any.tree.json');
    }

    const files = () =>
      Object.fromEntries(
        readdirSync(victim(), { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name))
          .map((path) => [path.slice(victim().length), sha256Hex(readFileSync(path))]),
      );

    it.each(ATTACKS.map((attack) => [attack.kind, attack.name, attack] as const))(
      '%s: %s',
      async (_kind, _name, attack) => {
        const before = files();
        attack.begin(repository);
        const { got, refused = [], why } = await get(victim(), WANTED);
        if (attack.python === 'accepted') {
          expect(got).toMatch(/^[0-9a-f]{64}$/);
          return;
        }
        expect([...refused, why]).toContain(attack.python);
        // No role that the agent would not believe either has got in.
        const moved = Object.entries(files()).filter(([path, hash]) => before[path] !== hash);
        const roles = moved.map(
          ([path]) => /^\/metadata\/(?:root_history\/\d+\.)?([a-z-]+)\.json$/.exec(path)?.[1] ?? '',
        );
        expect(roles.filter((role) => role !== '' && !attack.moves.includes(role))).toEqual([]);
      },
    );
  });
});
