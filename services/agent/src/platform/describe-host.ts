import { mkdir, mkdtemp, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Layout } from '../layout.js';
import { messageOf } from '../log.js';
import { createPlatform } from './platform.js';
import type { ServiceState } from './port.js';

/*
 * What the port says of this host, and whether it can do here what it is for. For a person on a system where it was never tried.
 */

export interface HostDescription {
  readonly system: string;
  /** Processes whose program lies below the data folder. */
  readonly ownProcesses: number;
  readonly allProcesses: number;
  readonly service: ServiceState['kind'];
  /** Whether a link was led from one folder to another. */
  readonly links: boolean;
}

/** Each part, or why it could not be had. Changes nothing but a folder of its own. */
export async function describeHost(
  layout: Layout,
  service: string,
): Promise<{ readonly [K in keyof HostDescription]: HostDescription[K] | { readonly failed: string } }> {
  const { signal } = new AbortController();
  const platform = createPlatform();
  const processes = await orWhy(platform.processes(signal));
  const count = (fits: (executable: string) => boolean) =>
    'failed' in processes ? processes : processes.filter(({ executable }) => fits(executable)).length;
  const state = await orWhy(platform.service(service, signal));
  return {
    system: process.platform,
    ownProcesses: count((executable) => executable.startsWith(layout.root)),
    allProcesses: count(() => true),
    service: 'failed' in state ? state : state.kind,
    links: await orWhy(tryLinks(layout)),
  };
}

async function orWhy<T>(work: Promise<T>): Promise<T | { readonly failed: string }> {
  return work.catch((error: unknown) => ({ failed: messageOf(error) }));
}

async function tryLinks(layout: Layout): Promise<boolean> {
  const here = createPlatform();
  await mkdir(layout.scratch, { recursive: true, mode: 0o700 });
  const dir = await mkdtemp(join(layout.scratch, 'links-'));
  try {
    const folders = ['one', 'two'].map((name) => join(dir, name));
    for (const folder of folders) await mkdir(folder);
    for (const folder of folders) await here.pointTo(join(dir, 'link'), folder);
    return /two[/\\]?$/.test(await readlink(join(dir, 'link')));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
