import { Server, ServerCredentials } from '@grpc/grpc-js';
import { DAY_MS, HOUR_MS, sha256Hex } from '@lastcall/kernel';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listFiles } from '../files.js';
import { layoutOf, type Layout } from '../layout.js';
import { ATTACKS, PRODUCT, publishTwice, SEEN, WANTED } from '../testing/attacks.js';
import { failureOf } from '../testing/failure-of.js';
import { startTestHost, type TestHost } from '../testing/test-host.js';
import type { TestRepository } from '../testing/tuf-repository.js';
import type { Pace } from './metadata-fetcher.js';
import { createReleaseSource, pinRoot, type ReleaseSource } from './release-source.js';
import { openTrustedState } from './trusted-state.js';

/*
 * Every attack of the specification of TUF, by a real server on a host that joined and installed a release: refused, nothing changed, said with a code. Each
 * time the same host gets the release in the end, when the attack is over.
 */

const signal = new AbortController().signal;
/** For attacks by slowness only: a busy machine is slow too. */
const PACE = { windowMs: 300, minBytes: 100 };

let template: TestHost;
let repository: TestRepository;
let layout: Layout;
let source: ReleaseSource;
let forget: () => void;

beforeAll(async () => {
  template = await startTestHost(new Server(), ServerCredentials.createInsecure());
  ({ repository } = template);
  publishTwice(repository);
  await template.join();
  await template.install(SEEN);
});
afterAll(() => template.close());

beforeEach(() => {
  layout = layoutOf(mkdtempSync(join(tmpdir(), 'lastcall-attack-')));
  cpSync(template.dir, layout.root, { recursive: true, verbatimSymlinks: true });
  source = sourceOf(layout);
  forget = repository.remember();
});
afterEach(() => {
  forget();
  repository.sign({ version: 2 });
  rmSync(layout.root, { recursive: true, force: true });
});

function sourceOf(of: Layout, pace?: Pace): ReleaseSource {
  const parts = { catalogUrl: () => repository.url, credential: () => 'eyJ', role: 'server', platforms: ['any'] };
  return createReleaseSource({ ...parts, layout: of, attempts: 1, ...(pace && { pace }) });
}

const fetchWanted = () => source.fetchRelease(PRODUCT, WANTED, signal);
const trusted = () => openTrustedState(layout.tuf).load();

/** Everything on the host but what it trusts: that is looked at role by role. */
async function disk(): Promise<Record<string, string>> {
  const files: Record<string, string> = { current: readlinkSync(layout.current) };
  for (const path of await listFiles(layout.root)) {
    if (path === 'current' || path === 'previous' || path === 'tuf/trusted.json') continue;
    files[path] = sha256Hex(readFileSync(join(layout.root, path)));
  }
  return files;
}

function movedRoles(before: ReadonlyMap<string, Buffer>): string[] {
  return [...trusted()].filter(([role, bytes]) => !before.get(role)?.equals(bytes)).map(([role]) => role);
}

describe('attacks', () => {
  it.each(ATTACKS.map((attack) => [attack.kind, attack.name, attack] as const))(
    '%s: %s',
    async (_kind, _name, attack) => {
      const [files, roles] = [await disk(), trusted()];
      attack.begin(repository);
      const victim = attack.kind === 'slow retrieval' ? sourceOf(layout, PACE) : source;
      const failure = await failureOf(victim.fetchRelease(PRODUCT, WANTED, signal));
      expect(failure.reason).toBe(attack.code);
      if (attack.code.startsWith('METADATA_')) expect(failure.message).toMatch(/Nothing was changed; \w+/);
      expect(await disk()).toEqual(files);
      expect(movedRoles(roles).sort()).toEqual([...attack.moves].sort());
      // The attack ends, and the catalog publishes again; after a root that is trusted now, with a next one.
      if (attack.moves.includes('root')) repository.renewRoot();
      else forget();
      repository.sign({ version: 10 });
      expect((await fetchWanted()).manifest.toString()).toContain(`version: ${WANTED}`);
    },
  );
});

describe('a fast-forward attack', () => {
  it('cannot be by a number that cannot be counted up', async () => {
    repository.sign({ edit: { timestamp: (body) => (body['version'] = 2 ** 53) } });
    expect((await failureOf(fetchWanted())).reason).toBe('METADATA_MALFORMED');
    expect(movedRoles(trusted())).toEqual([]);
  });

  it('with stolen online keys ends when the root gives the roles new ones', async () => {
    repository.sign({ version: 1_000_000 });
    await fetchWanted();
    repository.sign({ version: 11 });
    expect((await failureOf(fetchWanted())).reason).toBe('METADATA_ROLLED_BACK');
    repository.renewRoot({ rotate: ['timestamp', 'snapshot'] });
    repository.sign({ version: 12 });
    await fetchWanted();
    expect(JSON.parse(trusted().get('timestamp')?.toString() ?? '')).toMatchObject({ signed: { version: 12 } });
  });
});

describe('extraneous dependencies', () => {
  /** A release has none: what is installed is the list of files that was signed, and nothing else is asked for. */
  it('are never asked for', async () => {
    repository.requests.length = 0;
    await fetchWanted();
    const texts = repository.requests.filter((path) => path.startsWith('/tuf/targets/'));
    expect(repository.requests.filter((path) => !texts.includes(path))).toEqual([
      '/tuf/2.root.json',
      '/tuf/timestamp.json',
    ]);
    expect(texts.map((path) => path.replace(/[0-9a-f]{64}\./, ''))).toEqual(
      ['lastcall.yaml', 'server-any.tree.json'].map((name) => `/tuf/targets/${PRODUCT}/${WANTED}/${name}`),
    );
  });
});

describe('a trusted state that is gone', () => {
  const path = () => join(layout.tuf, 'trusted.json');
  const older = () => repository.sign({ version: 1 });

  it('is not made up again from what a server says', async () => {
    unlinkSync(path());
    older();
    const files = await disk();
    repository.requests.length = 0;
    expect(await failureOf(fetchWanted())).toMatchObject({
      reason: 'TRUST_LOST',
      message: expect.stringContaining('join'),
    });
    expect(repository.requests).toEqual([]);
    expect(await disk()).toEqual(files);
  });

  it.each([
    ['cut off', (text: string) => text.slice(0, -100)],
    ['empty', () => ''],
    ['of nothing', () => 'null'],
    ['without the timestamp that was seen', (text: string) => text.replace('"timestamp"', '"nothing"')],
    ['with another number', (text: string) => text.replace(/version\\":2/, 'version\\":1')],
  ])('in part, %s, counts as gone', async (_, spoil) => {
    const text = readFileSync(path(), 'utf8');
    expect(spoil(text)).not.toBe(text);
    writeFileSync(path(), spoil(text));
    expect((await failureOf(fetchWanted())).reason).toBe('TRUST_LOST');
  });

  it('does not let an older catalog in by joining again, while the same keys sign', async () => {
    pinRoot(layout, repository.root);
    older();
    expect((await failureOf(fetchWanted())).reason).toBe('METADATA_ROLLED_BACK');
    repository.sign({ version: 11 });
    await fetchWanted();
  });

  it('is pinned only to a root that has signed itself', () => {
    const before = readFileSync(path(), 'utf8');
    const root = repository.root.toString().replace('"version":1', '"version":2');
    expect(() => pinRoot(layout, Buffer.from(root))).toThrow(/signed by 0\/1 keys/);
    expect(() => pinRoot(layout, Buffer.from('{}'))).toThrow(/signatures has to be a list/);
    expect(readFileSync(path(), 'utf8')).toBe(before);
  });
});

describe('a clock', () => {
  it('that is years behind is not believed: nothing would expire any more', async () => {
    const inYears = Date.now() + 2_000 * DAY_MS;
    openTrustedState(layout.tuf, () => inYears).save(trusted());
    const before = readFileSync(join(layout.tuf, 'trusted.json'), 'utf8');
    expect(await failureOf(fetchWanted())).toMatchObject({
      reason: 'CLOCK_BEHIND',
      message: expect.stringContaining(new Date(inYears).toISOString()),
    });
    expect(readFileSync(join(layout.tuf, 'trusted.json'), 'utf8')).toBe(before);
  });

  it('that was wrong by its zone and was set right does no harm', async () => {
    openTrustedState(layout.tuf, () => Date.now() + 14 * HOUR_MS).save(trusted());
    expect((await fetchWanted()).tree.byteLength).toBeGreaterThan(0);
  });

  it('that was years ahead is set right by joining again', async () => {
    openTrustedState(layout.tuf, () => Date.now() + 2_000 * DAY_MS).save(trusted());
    pinRoot(layout, repository.root);
    expect((await fetchWanted()).tree.byteLength).toBeGreaterThan(0);
  });
});

describe('an order of the services', () => {
  afterEach(() => template.stop());

  it.each(
    ATTACKS.filter(({ name }) => /^an earlier timestamp|^a tree with other|^a date.*never|without end/.test(name)),
  )('is answered with what was refused: $name', async (attack) => {
    await template.start();
    attack.begin(repository);
    const stage = { $case: 'stageRelease', value: { product: PRODUCT, version: WANTED } } as const;
    const { failure, installedVersion } = await template.edge.result(template.edge.order(stage));
    expect(failure).toMatchObject({ reason: attack.code });
    expect(installedVersion).toBe(SEEN);
    expect(existsSync(join(template.dir, 'versions', WANTED))).toBe(false);
  });
});
