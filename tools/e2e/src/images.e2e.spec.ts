import { createTempFolder, findFreePorts, startChild, type Child, type TempFolder } from '@lastcall/testkit';
import { ensureIdentity } from '@lastcall/runtime';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

/*
 * What deploy/Dockerfile puts into the images is enough to start each of them, and no more than that: the same program puts it together here, and
 * it is started where nothing else of the workspace can be found. That the images themselves build and run is shown on a cluster.
 */

const ROOT = resolve(__dirname, '../../..');
const ASSEMBLE = join(ROOT, 'tools/images/assemble.mjs');
const SERVICES = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];
const TESTS = /\.spec\.|(^|\/)(testing|testkit|simulation|contract-process)|\.d\.ts$|\.map$/;

interface Sbom {
  readonly bomFormat: string;
  readonly metadata: { readonly component: { readonly name: string } };
  readonly components: readonly { readonly 'bom-ref': string }[];
}

let folder: TempFolder;
const children: Child[] = [];
beforeAll(async () => (folder = await createTempFolder('images')));
afterEach(() => Promise.all(children.splice(0).map((child) => child.stop())));
afterAll(() => folder.remove());

async function assemble(image: string): Promise<string> {
  const out = join(folder.path, image);
  const child = startChild(process.execPath, [ASSEMBLE, image, out], { SOURCE_DATE_EPOCH: '1' });
  // A dependency that is used and not declared would be said here.
  expect([await child.exited, child.lines]).toEqual([{ code: 0, signal: null }, []]);
  return out;
}

/** With nothing of this environment but what is given, in a folder from which no package can be found. */
function start(out: string, program: string, args: readonly string[], env: Record<string, string> = {}): Child {
  const nothing = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));
  const flags = ['--disable-warning=ExperimentalWarning', join(out, 'app/bin', program)];
  const child = startChild(process.execPath, [...flags, ...args], { ...nothing, ...env }, { cwd: out });
  children.push(child);
  return child;
}

async function settingsFor(image: string): Promise<Record<string, string>> {
  const [grpc, http, health, metrics] = await findFreePorts(4);
  const data = join(folder.path, `${image}-data`);
  // As for `lastcall up`, which makes its own there.
  const identity = image === 'cli' ? {} : { LASTCALL_IDENTITY_DIR: join(folder.path, 'identity') };
  if (image !== 'cli') await ensureIdentity(join(folder.path, 'identity'));
  return {
    ...identity,
    LASTCALL_DATA_DIR: data,
    LASTCALL_GRPC_ADDRESS: `127.0.0.1:${grpc}`,
    LASTCALL_HTTP_ADDRESS: `127.0.0.1:${http}`,
    LASTCALL_HEALTH_ADDRESS: `127.0.0.1:${health}`,
    LASTCALL_METRICS_ADDRESS: `127.0.0.1:${metrics}`,
  };
}

async function startsAndStops(out: string, image: string, args: readonly string[]): Promise<void> {
  const env = await settingsFor(image);
  const service = start(out, 'main', args, env);
  await service.until(/"msg":"ready"|is running/);
  expect(await start(out, 'healthcheck', [], env).exited).toEqual({ code: 0, signal: null });
  expect(await service.stop()).toEqual({ code: 0, signal: null });
}

function filesOf(out: string): string[] {
  return readdirSync(out, { recursive: true, encoding: 'utf8' });
}

/** `name@version` of every package below `node_modules`. */
function packagesOf(out: string): string[] {
  const manifests = filesOf(out).filter((file) => /node_modules\/(@[^/]+\/)?[^@/][^/]*\/package\.json$/.test(file));
  return manifests.flatMap((file) => {
    const { name, version } = JSON.parse(readFileSync(join(out, file), 'utf8')) as { name: string; version: string };
    return name.startsWith('@lastcall/') ? [] : [`${name}@${version}`];
  });
}

describe('npm run images', () => {
  const images = async (args: readonly string[], env: Record<string, string | undefined> = {}) => {
    const child = startChild(process.execPath, [join(ROOT, 'tools/images/images.mjs'), ...args], env);
    const { code } = await child.exited;
    return { code, said: child.lines.join('\n') };
  };

  it.each([
    [['--only', 'session,console'], 'there is no image "console"'],
    [['--tag', 'a b'], '"a b" is no tag of an image'],
    [['--from', 'nowhere'], 'git knows no "nowhere"'],
    [['--platform', 'linux/s390x'], 'neither linux/amd64 nor linux/arm64'],
    [['-o', 'xml'], '"xml" is not json'],
    [['--push'], "Unknown option '--push'"],
  ])('refuses %j and says what can be said', async (args, said) => {
    const refused = await images(args, { LASTCALL_IMAGE_BUILDER: '/nowhere' });
    expect(refused).toMatchObject({ code: 2, said: expect.stringContaining(said) as string });
  });

  it('says what to do where nobody can build an image', async () => {
    const nobody = await images([], { PATH: folder.path, LASTCALL_IMAGE_BUILDER: undefined });
    expect(nobody).toMatchObject({
      code: 1,
      said: expect.stringContaining('start Docker, install buildah, or') as string,
    });
    const missing = await images(['--only', 'cli'], { LASTCALL_IMAGE_BUILDER: '/nowhere' });
    expect(missing).toMatchObject({ code: 1, said: expect.stringContaining('/nowhere cannot be started') as string });
  });
});

describe('what an image is made of', () => {
  it.each(SERVICES)('starts %s, which serves, and ends when told so', async (image) => {
    const out = await assemble(image);
    expect(filesOf(out).filter((file) => !file.includes('node_modules') && TESTS.test(file))).toEqual([]);
    expect(existsSync(join(out, 'app/services/agent'))).toBe(false);
    await startsAndStops(out, image, []);
  });

  it('starts everything in one process, and the agent, from the image of the command line', async () => {
    const out = await assemble('cli');
    await startsAndStops(out, 'cli', ['up']);
    for (const [program, word] of [
      ['lastcall', 'release'],
      ['lastcall-agent', 'join'],
    ] as const) {
      const child = start(out, program, ['--help']);
      expect(await child.exited).toEqual({ code: 0, signal: null });
      expect(child.lines.join('\n')).toContain(word);
      // Called by its own name in a container.
      expect(statSync(join(out, 'app/bin', program)).mode & 0o777).toBe(0o755);
    }
  });

  it('lists exactly what is there', () => {
    const out = join(folder.path, 'session');
    const sbom = JSON.parse(readFileSync(join(out, 'app/sbom.cdx.json'), 'utf8')) as Sbom;
    expect(sbom).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { name: 'lastcall/session' } } });
    const listed = sbom.components.map((component) => component['bom-ref']).filter((ref) => !/@lastcall\//.test(ref));
    expect([...new Set(listed)].toSorted()).toEqual([...new Set(packagesOf(out))].toSorted());
    expect(listed.length).toBeGreaterThan(50);
    expect(listed.filter((ref) => /^(jest|esbuild|typescript|eslint|nx)@/.test(ref))).toEqual([]);
  });
});
