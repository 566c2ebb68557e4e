import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  changePassphrase,
  createKeyFile,
  createKeyFolder,
  nextKeyName,
  openKey,
  readKeyFiles,
  readTrust,
  replaceKey,
  writeTrust,
} from './key-files.js';

const QUICK = { passphrase: 'four words of it', workFactor: 10 };
const PLAN = {
  root: { keys: 3, threshold: 2 },
  targets: { keys: 1, threshold: 1 },
  releases: { keys: 1, threshold: 1 },
};

describe('a folder with keys', () => {
  let dir: string;
  beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'keys-'))));
  afterEach(() => rmSync(dir, { recursive: true }));

  const everything = (): string => readdirSync(dir).map((name) => readFileSync(join(dir, name), 'utf8')).join(''); // prettier-ignore

  it('holds each key in a file for its owner, whose private half nobody reads without the passphrase', async () => {
    const trust = await createKeyFolder(dir, PLAN, QUICK);
    const names = ['releases-1.key', 'root-1.key', 'root-2.key', 'root-3.key', 'targets-1.key', 'trust.json'];
    expect(readdirSync(dir).toSorted()).toEqual(names);
    for (const name of names) expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
    expect(everything()).not.toMatch(/PRIVATE KEY|four words/);
    expect(await readTrust(dir)).toEqual(trust);
    const [file] = (await readKeyFiles(dir)).filter(({ name }) => name === 'root-1');
    if (!file) throw new Error('no root-1');
    expect((await openKey(file, QUICK.passphrase)).publicKey.keyval.public).toBe(trust.roles.root.keys[0]?.public);
    await expect(openKey(file, 'five words of it')).rejects.toThrow(/passphrase does not open .*root-1\.key.*revoke/);
    await changePassphrase(file, QUICK.passphrase, { ...QUICK, passphrase: 'another holder' });
    const [again] = (await readKeyFiles(dir)).filter(({ name }) => name === 'root-1');
    await expect(openKey(again ?? file, QUICK.passphrase)).rejects.toThrow(/does not open/);
    expect((await openKey(again ?? file, 'another holder')).publicKey.keyval.public).toBe(file.public);
    expect(readdirSync(dir).toSorted()).toEqual(names);
    expect(statSync(join(dir, 'root-1.key')).mode & 0o777).toBe(0o600);
  });

  it('is never overwritten', async () => {
    await createKeyFolder(dir, PLAN, QUICK);
    const before = everything();
    await expect(createKeyFolder(dir, PLAN, QUICK)).rejects.toThrow(/has keys already/);
    await expect(createKeyFile(dir, 'root-1', QUICK)).rejects.toThrow(/EEXIST/);
    expect(everything()).toBe(before);
  });

  it('gives a key another one’s place under a name that was never used', async () => {
    const trust = await createKeyFolder(dir, PLAN, QUICK);
    const name = nextKeyName(trust, 'root', await readKeyFiles(dir));
    expect(name).toBe('root-4');
    await writeTrust(dir, replaceKey(trust, 'root-2', await createKeyFile(dir, name, QUICK), 'revoked'));
    const next = await readTrust(dir);
    expect(next.roles.root).toMatchObject({ threshold: 2, keys: [{ name: 'root-1' }, { name: 'root-3' }, { name: 'root-4' }] }); // prettier-ignore
    expect(next.retired).toMatchObject([{ name: 'root-2', why: 'revoked' }]);
    expect(() => replaceKey(next, 'root-2', { name: 'x', public: '' }, 'rotated')).toThrow(/no key root-2 that signs; there are root-1/); // prettier-ignore
  });

  it('says what is damaged or missing, and what to do', async () => {
    await expect(readTrust(dir)).rejects.toThrow(/there is no .*trust\.json.*keys init/);
    const trust = await createKeyFolder(dir, PLAN, QUICK);
    const path = join(dir, 'root-1.key');
    const good = readFileSync(path, 'utf8');
    for (const bad of ['', '{}', good.slice(0, 200)]) {
      writeFileSync(path, bad);
      await expect(readKeyFiles(dir)).rejects.toThrow(/root-1\.key is no key of Lastcall, or damaged.*backup/);
    }
    const key = JSON.parse(good) as Record<string, unknown>;
    for (const bad of [
      { ...key, private: 'x' },
      { ...key, public: trust.roles.root.keys[1]?.public },
    ]) {
      writeFileSync(path, JSON.stringify(bad));
      const [file] = (await readKeyFiles(dir)).filter(({ name }) => name === 'root-1');
      if (!file) throw new Error('no root-1');
      await expect(openKey(file, QUICK.passphrase)).rejects.toThrow(/backup/);
    }
    const { roles } = trust;
    for (const bad of [
      { ...trust, roles: undefined },
      { ...trust, roles: {} },
      { ...trust, roles: { ...roles, root: { threshold: 1 } } },
      { ...trust, roles: { ...roles, root: { ...roles.root, threshold: 9 } } },
      { ...trust, roles: { ...roles, root: { ...roles.root, keys: [null] } } },
      { ...trust, roles: { ...roles, root: { ...roles.root, keys: [{ name: 'root-1', public: 1 }] } } },
      { ...trust, retired: undefined },
      { ...trust, retired: [{ name: 'root-9' }] },
    ]) {
      writeFileSync(join(dir, 'trust.json'), JSON.stringify(bad));
      await expect(readTrust(dir)).rejects.toThrow(/damaged; copy it from another holder/);
    }
  });
});
