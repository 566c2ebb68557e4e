import { createTempFolder } from '@lastcall/testkit';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AGENT, LASTCALL, ROOT, startLastcall, startProgram, type LastcallProcesses } from './world/lastcall-processes.js'; // prettier-ignore

/*
 * The ceremony with real programs: a real catalog, keys in folders of their holders, a machine without network, and a real agent that joined
 * before all of it. Every command of the runbook (services/catalog/KEYS.md) is run here.
 */

const SECRET = 'correct horse battery staple';
const OF_BOB = 'another holder altogether';
const folder = createTempFolder('offline-keys');

let dir: string;
let lastcall: LastcallProcesses;
const typed = new Set<string>();
const printed: string[] = [];

/** Forms of commands, as the runbook shows them: without values. */
function formOf(args: readonly string[]): string {
  const [noun = '', verb = '', ...rest] = args;
  const flags = rest.filter((arg) => /^--/.test(arg) && !['--yes', '--passphrase-file', '--new-passphrase-file', '--root', '--targets', '--releases'].includes(arg)); // prettier-ignore
  return [noun, verb, ...flags.toSorted()].join(' ');
}

interface Answer {
  readonly code: number | null;
  readonly text: string;
}

async function run(env: Readonly<Record<string, string>>, args: readonly string[]): Promise<Answer> {
  typed.add(formOf(args));
  const child = startProgram(LASTCALL, args, { LASTCALL_KEYS_PASSPHRASE: SECRET, ...env });
  const { code } = await child.exited;
  const text = child.lines.join('\n');
  printed.push(text);
  return { code, text };
}

const online = (...args: string[]): Promise<Answer> =>
  run(
    {
      LASTCALL_ADDR: lastcall.grpcAddress,
      LASTCALL_CATALOG_URL: lastcall.catalogUrl,
      LASTCALL_TOKEN_FILE: lastcall.operatorTokenFile,
    },
    args,
  );
/** Where no catalog is known, and none could be reached. */
const offline = (...args: string[]): Promise<Answer> =>
  run({ LASTCALL_ADDR: '', LASTCALL_DATA_DIR: join(dir, 'nowhere'), LASTCALL_TOKEN_FILE: '' }, args);

async function done(answer: Promise<Answer>): Promise<string> {
  const { code, text } = await answer;
  if (code !== 0) throw new Error(`ended with ${code}:\n${text}`);
  return text;
}

function build(version: string): string {
  const at = join(dir, `encore-${version}`);
  mkdirSync(join(at, 'server'), { recursive: true });
  writeFileSync(join(at, 'server', 'version.txt'), version);
  writeFileSync(join(at, 'lastcall.yaml'), `product: encore\nversion: ${version}\ntitle: Encore\nartifacts: [{role: server, directory: server}]\ncommands: {}\n`); // prettier-ignore
  return at;
}

async function install(version: string): Promise<string> {
  const child = startProgram(AGENT, ['install', '--data', join(dir, 'srv1'), '--version', version]);
  const { code } = await child.exited;
  return `${code} ${child.lines.join('\n')}`;
}

beforeAll(async () => {
  dir = (await folder).path;
  lastcall = await startLastcall({ pair: 'embedded', dir });
}, 180_000);
afterAll(async () => {
  await lastcall.stop();
  await (await folder).remove();
}, 180_000);

describe('keys that are not on the catalog', () => {
  it('are made, handed over by two holders, used, rotated and revoked, and an agent of before follows', async () => {
    const [all, alice, bob] = ['all', 'alice', 'bob'].map((name) => join(dir, name)) as [string, string, string];
    const request = join(dir, 'request.json');
    await done(online('release', 'publish', build('1.0.0')));
    await done(online('installation', 'add', 'berlin', '--product', 'encore', '--zone', 'UTC'));
    const token = (await done(online('host', 'join-token', 'srv1', '--role', 'server'))).split('\n')[0] ?? '';
    const join1 = startProgram(AGENT, ['join', '--data', join(dir, 'srv1'), '--addr', lastcall.grpcAddress, '--token', token]); // prettier-ignore
    expect((await join1.exited).code).toBe(0);
    expect(await install('1.0.0')).toMatch(/^0 .*Version 1\.0\.0 is installed/s);

    // The ceremony, without network.
    await done(offline('keys', 'init', all, '--root', '2/3', '--targets', '1/1', '--releases', '1/2'));
    expect(await done(offline('keys', 'list', '--keys', all))).toMatch(/root-3 +2 of 3 +here/);
    for (const [holder, names] of [
      [alice, ['root-1', 'targets-1', 'releases-1']],
      [bob, ['root-2', 'root-3', 'releases-2']],
    ] as const) {
      mkdirSync(holder);
      for (const name of [...names.map((n) => `${n}.key`), 'trust.json']) copyFileSync(join(all, name), join(holder, name)); // prettier-ignore
    }
    writeFileSync(join(dir, 'bob.txt'), `${OF_BOB}\n`, { mode: 0o600 });
    const bobs = ['--passphrase-file', join(dir, 'bob.txt')];
    await done(offline('keys', 'passphrase', 'root-2', '--keys', bob, '--new-passphrase-file', join(dir, 'bob.txt'))); // prettier-ignore

    // The catalog's machine sees trust.json only.
    mkdirSync(join(dir, 'public'));
    copyFileSync(join(all, 'trust.json'), join(dir, 'public', 'trust.json'));
    await done(online('keys', 'hand-over', '--keys', join(dir, 'public'), '--out', request, '--yes'));
    const here = await online('keys', 'hand-over', '--keys', join(dir, 'public'), '--yes');
    expect(here).toMatchObject({ code: 3, text: expect.stringMatching(/has no key that is wanted here/) });
    const early = await online('keys', 'submit', request);
    expect(early).toMatchObject({ code: 3, text: expect.stringMatching(/signatures are missing for root \(0 of 2\)/) });
    const wrong = await offline('release', 'sign', request, '--keys', alice, '--yes', ...bobs);
    expect(wrong).toMatchObject({ code: 3, text: expect.stringMatching(/does not open .*releases-1\.key/) });
    expect(await done(offline('release', 'sign', request, '--keys', alice, '--yes'))).toMatch(/root: 2 of root-1, root-2, root-3 \(new: .*Still missing: root \(1 of 2\)/s); // prettier-ignore
    expect(await done(offline('release', 'sign', request, '--keys', bob, '--yes', ...bobs))).toMatch(/All signatures are there/); // prettier-ignore
    expect(await done(online('keys', 'submit', request))).toMatch(/clients believe root 2 now/);

    // Publications.
    const refused = await online('release', 'publish', build('1.1.0'));
    expect(refused).toMatchObject({ code: 3, text: expect.stringMatching(/signed with keys that are not on it/) });
    await done(online('release', 'publish', build('1.1.0'), '--keys', alice, '--yes'));
    expect(await install('1.1.0')).toMatch(/^0 .*Version 1\.1\.0 is installed/s);
    await done(online('release', 'prepare', build('1.2.0'), '--out', request));
    const other = build('1.2.1');
    writeFileSync(join(other, 'lastcall.yaml'), readFileSync(join(other, 'lastcall.yaml'), 'utf8').replace('1.2.1', '1.2.0')); // prettier-ignore
    const foreign = await offline('release', 'sign', request, '--keys', alice, '--folder', other, '--yes');
    expect(foreign).toMatchObject({ code: 3, text: expect.stringMatching(/is not what the folder has/) });
    expect(await done(offline('release', 'sign', request, '--keys', alice, '--folder', build('1.2.0'), '--yes'))).toMatch(/adds encore 1\.2\.0/); // prettier-ignore
    expect(await done(online('release', 'publish', '--signed', request))).toMatch(/published encore 1\.2\.0 in stable/);

    // Rotation; a root key whose file is gone; new keys of the catalog itself.
    expect(await done(offline('keys', 'rotate', 'releases-1', '--keys', all, '--yes'))).toMatch(/releases-3 takes its place/); // prettier-ignore
    await done(online('keys', 'apply', '--keys', all, '--yes'));
    rmSync(join(all, 'root-2.key'));
    expect(await done(offline('keys', 'revoke', 'root-2', '--keys', all, '--yes'))).toMatch(/No host has to join again/); // prettier-ignore
    expect(await done(online('keys', 'apply', '--keys', all, '--yes'))).toMatch(/clients believe root 3 now/);
    expect(await done(online('keys', 'apply', '--keys', all, '--new-online-keys', '--yes'))).toMatch(/clients believe root 4 now/); // prettier-ignore
    expect(await online('keys', 'renew', '--keys', all, '--yes')).toMatchObject({ code: 3, text: expect.stringMatching(/everything is signed/) }); // prettier-ignore
    expect(await done(online('keys', 'show', '--keys', all))).toMatch(/Root +version 4: 2 of root-1, root-3, root-4/);
    // The rotated key signs nothing any more.
    const retired = await online('release', 'publish', build('1.3.0'), '--keys', alice, '--yes');
    expect(retired).toMatchObject({ code: 3, text: expect.stringMatching(/has no key that is wanted/) });
    expect(await install('1.2.0')).toMatch(/^0 .*Version 1\.2\.0 is installed/s);
    expect(readFileSync(join(dir, 'srv1', 'current', 'version.txt'), 'utf8')).toBe('1.2.0');

    // A withdrawal is believed before people sign the list again.
    await done(online('release', 'publish', build('1.4.0'), '--keys', all, '--yes'));
    const withdrawn = await done(online('release', 'withdraw', 'encore', '1.4.0', '--reason', 'loses bookings'));
    expect(withdrawn).toMatch(/still names it: hosts refuse it .*keys renew/);
    expect(await install('1.4.0')).toMatch(/^1 .*encore 1\.4\.0 was withdrawn/s);
    expect(await done(online('keys', 'renew', '--keys', all, '--yes'))).toMatch(/takes back encore 1\.4\.0/);
    expect(await install('1.4.0')).toMatch(/^1 .*no published release encore 1\.4\.0/s);
  }, 600_000);

  it('never show their passphrase', () => {
    expect(printed.length).toBeGreaterThan(20);
    for (const secret of [SECRET, OF_BOB]) expect(printed.join('\n')).not.toContain(secret);
  });

  it('are handled by commands that the runbook names, each of which was run', () => {
    const page = readFileSync(join(ROOT, 'services/catalog/KEYS.md'), 'utf8');
    // Its commands need a catalog that asks for two: second-person.int.spec.ts.
    const runbook = page.replace(/## 9\. Two people[^]*?(?=\n## )/, '');
    expect(runbook.length).toBeLessThan(page.length);
    const forms = [...runbook.matchAll(/^ *lastcall (.+)$/gm)].map((match) => formOf((match[1] ?? '').split(' ')));
    expect(forms.length).toBeGreaterThan(15);
    expect(forms.filter((form) => !typed.has(form))).toEqual([]);
  });
});
