import { createKeyFolder, formatSigningRequest, rootBody, signedPart, targetsBody, type SigningRequest } from '@lastcall/trust'; // prettier-ignore
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgram } from '../program.js';
import { createTestIo } from '../testing/test-io.js';

/* What is refused on a machine with keys, without any server, and what is left then. */

const SECRET = 'correct horse battery';
const QUICK = { passphrase: SECRET, workFactor: 10 };
const ONE = { keys: 1, threshold: 1 };

describe('lastcall keys, without a network', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'lastcall-keys-'))));
  afterEach(() => rmSync(dir, { recursive: true }));

  async function lastcall(env: Record<string, string>, ...args: string[]) {
    const world = createTestIo(env);
    const exitCode = await createProgram(world).run(args);
    return { exitCode, text: world.out.text + world.err.text };
  }

  /** A request that adds a release, of a repository whose keys are all in a folder. */
  async function requestOf(keys: string): Promise<string> {
    const trust = await createKeyFolder(keys, { root: ONE, targets: ONE, releases: ONE }, QUICK);
    const set = { threshold: 1, keys: trust.roles.releases.keys.map(({ public: hex }) => ({ keytype: 'ed25519', scheme: 'ed25519', keyval: { public: hex } }) as const) }; // prettier-ignore
    const later = Date.now() + 86_400_000;
    const root = signedPart('root', 1, later, rootBody({ root: set, targets: set, snapshot: set, timestamp: set }));
    const target = { path: 'encore/1.0.0/lastcall.yaml', bytes: 1, sha256: 'b'.repeat(64) };
    const signed = signedPart('targets', 2, later, targetsBody([target]));
    const request: Omit<SigningRequest, 'format'> = {
      catalog: 'c'.repeat(64),
      preparedAt: '2026-11-29T09:00:00Z',
      root: { signed: root, signatures: [] },
      releases: set,
      catalogSigns: [],
      payloads: [{ role: 'releases-2026-1-encore', signed, signatures: [] }],
    };
    const file = join(dir, 'request.json');
    writeFileSync(file, formatSigningRequest(request));
    return file;
  }

  it('asks for a passphrase in words where nobody can type one, and takes no short one', async () => {
    const folder = join(dir, 'keys');
    expect(await lastcall({}, 'keys', 'init', folder)).toMatchObject({ exitCode: 2, text: expect.stringMatching(/--passphrase-file, or set LASTCALL_KEYS_PASSPHRASE/) }); // prettier-ignore
    expect(await lastcall({ LASTCALL_KEYS_PASSPHRASE: 'short' }, 'keys', 'init', folder)).toMatchObject({ exitCode: 2, text: expect.stringMatching(/too short: 12 characters/) }); // prettier-ignore
    expect(await lastcall({}, 'keys', 'init', folder, '--passphrase-file', join(dir, 'none'))).toMatchObject({ exitCode: 2, text: expect.stringMatching(/cannot be read/) }); // prettier-ignore
    expect(await lastcall({}, 'keys', 'init', folder, '--passphrase', SECRET)).toMatchObject({ exitCode: 2, text: expect.stringMatching(/unknown option/) }); // prettier-ignore
    for (const plan of ['3/2', '0/3', '2', '2/99', 'x']) {
      const answer = await lastcall({ LASTCALL_KEYS_PASSPHRASE: SECRET }, 'keys', 'init', folder, '--root', plan);
      expect(answer).toMatchObject({ exitCode: 2, text: expect.stringMatching(/such as 2\/3/) });
    }
    expect(readdirSync(dir)).toEqual([]);
  });

  it('names what is missing: the folder, the key, the confirmation', async () => {
    const env = { LASTCALL_KEYS_PASSPHRASE: SECRET };
    expect(await lastcall(env, 'keys', 'list')).toMatchObject({ exitCode: 2, text: expect.stringMatching(/LASTCALL_KEYS/) }); // prettier-ignore
    expect(await lastcall(env, 'keys', 'list', '--keys', dir)).toMatchObject({ exitCode: 3, text: expect.stringMatching(/no .*trust\.json/) }); // prettier-ignore
    const keys = join(dir, 'keys');
    const request = await requestOf(keys);
    const before = readFileSync(request, 'utf8');
    expect(await lastcall(env, 'keys', 'rotate', 'root-9', '--keys', keys)).toMatchObject({ exitCode: 3, text: expect.stringMatching(/there are root-1, targets-1, releases-1/) }); // prettier-ignore
    expect(await lastcall(env, 'keys', 'revoke', 'root-1', '--keys', keys)).toMatchObject({ exitCode: 2, text: expect.stringMatching(/Do it now[^]*answer with --yes/) }); // prettier-ignore
    expect(await lastcall(env, 'release', 'sign', request, '--keys', keys)).toMatchObject({ exitCode: 2, text: expect.stringMatching(/adds encore 1\.0\.0[^]*answer with --yes/) }); // prettier-ignore
    expect(await lastcall(env, 'release', 'sign', join(dir, 'none'), '--keys', keys)).toMatchObject({ exitCode: 2, text: expect.stringMatching(/none: cannot be read/) }); // prettier-ignore
    expect(await lastcall(env, 'release', 'sign', join(keys, 'trust.json'), '--keys', keys)).toMatchObject({ exitCode: 2, text: expect.stringMatching(/is no signing request/) }); // prettier-ignore
    expect(readFileSync(request, 'utf8')).toBe(before);
    expect(readdirSync(keys).toSorted()).toEqual(['releases-1.key', 'root-1.key', 'targets-1.key', 'trust.json']);
  });

  it('signs with the right passphrase only, and leaves the file as it was otherwise', async () => {
    const keys = join(dir, 'keys');
    const request = await requestOf(keys);
    const before = readFileSync(request, 'utf8');
    const wrong = await lastcall({ LASTCALL_KEYS_PASSPHRASE: 'correct horse staple' }, 'release', 'sign', request, '--keys', keys, '--yes'); // prettier-ignore
    expect(wrong).toMatchObject({ exitCode: 3, text: expect.stringMatching(/does not open .*releases-1\.key/) });
    expect(readFileSync(request, 'utf8')).toBe(before);
    const right = await lastcall(
      { LASTCALL_KEYS_PASSPHRASE: SECRET },
      'release',
      'sign',
      request,
      '--keys',
      keys,
      '--yes',
    );
    expect(right).toMatchObject({ exitCode: 0, text: expect.stringMatching(/releases-1 has signed\nAll signatures are there/) }); // prettier-ignore
    const again = await lastcall(
      { LASTCALL_KEYS_PASSPHRASE: SECRET },
      'release',
      'sign',
      request,
      '--keys',
      keys,
      '--yes',
    );
    expect(again).toMatchObject({ exitCode: 3, text: expect.stringMatching(/it has all signatures already/) });
    expect(wrong.text + right.text + again.text).not.toMatch(/correct horse/);
  });
});
