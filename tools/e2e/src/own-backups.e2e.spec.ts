import { catalogV1, operationsV1 } from '@lastcall/contracts';
import { sha256Hex } from '@lastcall/kernel';
import { createClient, openDefaultChannel } from '@lastcall/sdk';
import { createTempFolder, until, type Child, type TempFolder } from '@lastcall/testkit';
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { LASTCALL, startProgram } from './world/lastcall-processes.js';
import { mountSmallDisk } from './world/small-disk.js';

/*
 * `lastcall up --backup-to`: a real process that backs up its own state by itself. A day passes by giving its newest backup an older
 * name, for it goes by nothing else.
 */

const UNFINISHED = /^\.lastcall-.*\.unfinished$/;
const WHOLE = /^lastcall-[0-9a-f]{12}-\d{8}T\d{6}Z$/;

describe('lastcall up --backup-to', () => {
  let folder: TempFolder;
  const at = (...parts: string[]): string => join(folder.path, ...parts);
  const there = (): string[] => (existsSync(at('to')) ? readdirSync(at('to')).toSorted() : []);

  beforeAll(async () => (folder = await createTempFolder('own-backups')));
  afterAll(() => folder.remove());

  async function run(...args: string[]): Promise<{ code: number | null; text: string }> {
    const child = startProgram(LASTCALL, args, { LASTCALL_DATA_DIR: at('data') });
    const { code } = await child.exited;
    return { code, text: child.lines.join('\n') };
  }

  /** Every option by its variable or by its flag; both are the same setting. */
  async function up(options: { data?: string; to?: string } = {}): Promise<Child> {
    const { data = at('data'), to = at('to') } = options;
    const args = ['up', '--data', data, '--grpc', '127.0.0.1:0', '--http', '127.0.0.1:0', '--backup-to', to];
    const env = { LASTCALL_BACKUP_KEEP: '2', LASTCALL_BACKUP_WITH_KEYS: 'true', LASTCALL_BACKUP_EVERY_MS: '3600000' };
    const child = startProgram(LASTCALL, args, env);
    await child.until(/is running; Ctrl-C/);
    return child;
  }

  /** What the first service says, as soon as it has looked. */
  async function stateOf(data = at('data')): Promise<operationsV1.ServiceState> {
    const channel = openDefaultChannel({ LASTCALL_DATA_DIR: data });
    const operations = createClient(operationsV1.OperationsServiceService, channel);
    try {
      let looked: operationsV1.ServiceState | undefined;
      await until(async () => {
        const { serviceStates } = await operations.listServiceStates({ ownProcess: true });
        looked = serviceStates.find((one) => one.stateBackupTime ?? one.stateBackupProblem);
        return looked !== undefined;
      }, 'a look at the backups');
      return looked!;
    } finally {
      channel.close();
    }
  }

  async function catalogOf<T>(data: string, ask: (catalog: Catalog) => Promise<T>): Promise<T> {
    const channel = openDefaultChannel({ LASTCALL_DATA_DIR: data });
    try {
      return await ask(createClient(catalogV1.CatalogServiceService, channel));
    } finally {
      channel.close();
    }
  }

  const addProduct = (productId: string): Promise<unknown> =>
    catalogOf(at('data'), (catalog) =>
      catalog.createProduct({ productId, product: catalogV1.Product.fromPartial({ title: productId }) }),
    );

  /** As if all backups had been taken so many hours earlier. */
  function age(hours: number): void {
    for (const name of there().filter((one) => WHOLE.test(one))) {
      const [, day = '', hour = ''] = /(\d{8})T(\d{2})/.exec(name) ?? [];
      const time = Date.parse(`${day.replace(/(\d{4})(\d\d)(\d\d)/, '$1-$2-$3')}T${hour}:00:00Z`) - hours * 3_600_000;
      const text = new Date(time).toISOString().replaceAll(/[-:]|\.\d+/g, '');
      renameSync(at('to', name), at('to', name.replace(/\d{8}T\d{6}Z$/, text)));
    }
  }

  it('takes them by itself, also after kill -9 in the middle of one, and the newest brings everything back', async () => {
    mkdirSync(at('to'));
    let child = await up();
    await until(() => there().some((name) => WHOLE.test(name)), 'the first backup');
    await addProduct('encore');
    await child.stop();

    child = await up();
    // It has looked, and found that there is one already.
    expect((await stateOf()).stateBackupProblem).toBe('');
    expect(there()).toHaveLength(1);
    await child.stop();

    // Large enough that there is a middle.
    const bytes = Buffer.alloc(192 * 1024 * 1024, 1);
    const hash = sha256Hex(bytes);
    const blob = join('catalog/blobs', hash.slice(0, 2), hash);
    mkdirSync(dirname(at('data', blob)), { recursive: true });
    writeFileSync(at('data', blob), bytes);
    age(2);
    const [old = ''] = there();
    child = await up();
    await untilNow(() => there().some((name) => UNFINISHED.test(name) && existsSync(at('to', name, blob))), child);
    child.kill('SIGKILL');
    await child.exited;
    const [half = '', ...whole] = there();
    expect(half).toMatch(UNFINISHED);
    expect(whole).toEqual([old]);
    expect(await run('state', 'check', '--from', at('to', half))).toMatchObject({ code: 3 });

    child = await up();
    await until(() => there().length === 2 && there().every((name) => WHOLE.test(name)), 'a whole one');
    const [, newest = ''] = there();
    expect(await run('state', 'check', '--from', at('to', newest))).toMatchObject({ code: 0 });
    expect((await run('doctor')).text).not.toMatch(/own state/);
    await addProduct('later');
    await child.stop();

    age(3);
    child = await up();
    // The newest two are kept, and with them all that was acknowledged.
    expect((await stateOf()).stateBackupTime?.getTime()).toBeGreaterThan(Date.now() - 60_000);
    expect(there()).toHaveLength(2);
    await child.stop();
    const from = at('to', there()[1] ?? '');
    expect(await run('state', 'restore', '--from', from, '--data', at('restored'))).toMatchObject({ code: 0 });
    const restored = await up({ data: at('restored') });
    const { products } = await catalogOf(at('restored'), (catalog) =>
      catalog.listProducts({ pageSize: 10, pageToken: '' }),
    );
    expect(products.map(({ name }) => name).toSorted()).toEqual(['products/encore', 'products/later']);
    // The same keys, so the same backups: the restored one goes by the newest of them.
    expect((await stateOf(at('restored'))).stateBackupTime).toBeDefined();
    expect(there()).toHaveLength(2);
    await restored.stop();
  }, 120_000);

  it.each([
    ['is not there', () => at('nowhere'), /is not there/],
    ['is in the data folder', () => at('data/catalog'), /is in the data folder/],
  ])(
    'serves although the folder %s, and says so at the start, in the log and to the doctor',
    async (_, to, says) => {
      const child = await up({ to: to() });
      await child.until(new RegExp(`^Backups of its own state cannot be taken: .*${says.source}`));
      await child.until(new RegExp(`"level":"error".*${says.source}.*cannot back up its own state`));
      expect((await stateOf()).stateBackupProblem).toMatch(says);
      expect(await run('doctor')).toMatchObject({ code: 1, text: expect.stringMatching(says) });
      expect(existsSync(at('nowhere'))).toBe(false);
      await child.stop();
    },
    60_000,
  );

  it('says that the disk is full, leaves nothing there, and goes on serving', async () => {
    const disk = mountSmallDisk(at('small'), '4m');
    if (!disk) return; // Only root may mount one.
    try {
      const child = await up({ to: disk.dir });
      const { stateBackupProblem: problem } = await stateOf();
      expect(problem).toMatch(/the disk of .* is full/);
      expect(readdirSync(disk.dir)).toEqual([]);
      await addProduct('served');
      await child.stop();
    } finally {
      disk.unmount();
    }
  }, 60_000);

  it('refuses an interval that is none, and a number that is none', async () => {
    const to = ['--data', at('other'), '--backup-to', at('to')];
    expect(await run('up', ...to, '--backup-every', '5m')).toMatchObject({
      code: 2,
      text: expect.stringMatching(/--backup-every is "5m"; allowed are 1h to 30d/),
    });
    expect(await run('up', ...to, '--backup-keep', '0')).toMatchObject({ code: 2 });
  });
});

type Catalog = ReturnType<typeof createClient<typeof catalogV1.CatalogServiceService>>;

/** Without a pause: what is waited for lasts for a moment. */
async function untilNow(isSo: () => boolean, child: Child): Promise<void> {
  const ended = child.exited.then(() => 'ended');
  while (!isSo()) {
    const next = await Promise.race([ended, new Promise((resolve) => setImmediate(resolve, 'look'))]);
    if (next === 'ended') throw new Error('it ended before its middle');
  }
}
