import { createTempFolder, type Child } from '@lastcall/testkit';
import { mkdir, readlink, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { AGENT, LASTCALL, startLastcall, startProgram, type LastcallProcesses } from './lastcall-processes.js';
import { troubleSwitch, writeTinyRelease, type TinyRelease } from './tiny-product.js';

/*
 * Several installations of one product, each a single seat with a real agent on its only host, and an operator at the command line.
 */

export interface Typed {
  readonly exitCode: number | null;
  /** Both outputs, a line each. */
  readonly text: string;
}

export interface WaveSites {
  /** As an operator types it. */
  lastcall(...args: string[]): Promise<Typed>;
  publish(release: TinyRelease, channel: string): Promise<void>;
  /** The next migrations on the site's host fail, until it is taken back. */
  failMigration(site: string, fails: boolean): Promise<void>;
  versionOn(site: string): Promise<string>;
  stop(): Promise<void>;
}

export async function createWaveSites(sites: readonly string[], firstVersion: string): Promise<WaveSites> {
  const folder = await createTempFolder('wave-sites');
  const agents: Child[] = [];
  let lastcall: LastcallProcesses | undefined;
  const stop = async (): Promise<void> => {
    await Promise.all(agents.map((agent) => agent.stop()));
    await lastcall?.stop();
    await folder.remove();
  };
  try {
    lastcall = await startLastcall({ pair: 'embedded', dir: folder.path });
    const at = placeOn(folder.path, lastcall);
    await at.publish({ version: firstVersion }, 'stable');
    for (const site of sites) agents.push(await addSite(at, site, firstVersion));
    return { ...at, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

interface Place extends Omit<WaveSites, 'stop'> {
  dirOf(site: string): string;
  run(file: string, ...args: string[]): Promise<Typed>;
  readonly address: string;
}

function placeOn(dir: string, { grpcAddress, catalogUrl, operatorTokenFile }: LastcallProcesses): Place {
  const env = {
    LASTCALL_ADDR: grpcAddress,
    LASTCALL_CATALOG_URL: catalogUrl,
    LASTCALL_TOKEN_FILE: operatorTokenFile,
  };
  const run: Place['run'] = async (file, ...args) => {
    const child = startProgram(file, args, env);
    const { code } = await child.exited;
    return { exitCode: code, text: child.lines.join('\n') };
  };
  const dirOf = (site: string): string => join(dir, 'hosts', site);
  return {
    run,
    dirOf,
    address: grpcAddress,
    lastcall: (...args) => run(LASTCALL, ...args),
    publish: async (release, channel) => {
      const built = await writeTinyRelease(join(dir, 'releases'), release);
      await wentWell(run(LASTCALL, 'release', 'publish', built, '--channel', channel));
    },
    failMigration: async (site, fails) => {
      const file = join(dirOf(site), 'data', troubleSwitch('migrate'));
      await (fails ? writeFile(file, 'fails') : rm(file, { force: true }));
    },
    versionOn: async (site) => basename(await readlink(join(dirOf(site), 'current'))),
  };
}

async function wentWell(typed: Promise<Typed>): Promise<string> {
  const { exitCode, text } = await typed;
  if (exitCode !== 0) throw new Error(`a command ended with ${exitCode}:\n${text}`);
  return text;
}

/** Answers the agent of its host. */
async function addSite(place: Place, site: string, version: string): Promise<Child> {
  const data = place.dirOf(site);
  await mkdir(data, { recursive: true });
  await wentWell(
    place.lastcall('installation', 'add', site, '--product', 'tiny', '--kind', 'single-user', '--zone', 'UTC'),
  );
  const told = await wentWell(place.lastcall('host', 'join-token', 'srv', '--role', 'server', '-i', site));
  // Beside the token there is a hint for people.
  const token = /^\S{20,}$/m.exec(told)?.[0] ?? '';
  await wentWell(place.run(AGENT, 'join', '--data', data, '--addr', place.address, '--token', token));
  await wentWell(place.run(AGENT, 'install', '--data', data, '--version', version));
  const agent = startProgram(AGENT, ['run', '--data', data]);
  await agent.until(/connected/, 30_000);
  return agent;
}
