import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

/*
 * Where everything lies in the data folder of an agent; README.md has the same list for people. `blobs`, `versions` and `scratch`
 * are on one file system, because files are linked and folders renamed between them.
 */
export interface Layout {
  readonly root: string;
  readonly identity: string;
  /** The key that is to follow. */
  readonly nextIdentity: string;
  /** There while somebody wants another key. */
  readonly keyAsked: string;
  readonly record: string;
  readonly journal: string;
  readonly lock: string;
  readonly tuf: string;
  readonly blobs: string;
  /** What this host fetched for others. */
  readonly served: string;
  /** Signed texts of each release: manifest and tree. */
  readonly releases: string;
  readonly versions: string;
  readonly current: string;
  readonly previous: string;
  /** The application's data. */
  readonly data: string;
  readonly backups: string;
  readonly logs: string;
  readonly scratch: string;
  /** Whoever may enter it may ask the agent. */
  readonly local: string;
  readonly reserve: string;
  /** Versions of the agent itself, laid out like this folder. */
  readonly program: string;
}

export function layoutOf(dataDir: string): Layout {
  const root = resolve(dataDir);
  return {
    root,
    identity: join(root, 'identity.pem'),
    nextIdentity: join(root, 'identity.next.pem'),
    keyAsked: join(root, 'identity.asked'),
    record: join(root, 'agent.json'),
    journal: join(root, 'journal.db'),
    lock: join(root, 'lock.db'),
    tuf: join(root, 'tuf'),
    blobs: join(root, 'blobs'),
    served: join(root, 'served'),
    releases: join(root, 'releases'),
    versions: join(root, 'versions'),
    current: join(root, 'current'),
    previous: join(root, 'previous'),
    data: join(root, 'data'),
    backups: join(root, 'backups'),
    logs: join(root, 'logs'),
    scratch: join(root, 'scratch'),
    local: join(root, 'local'),
    reserve: join(root, 'reserve'),
    program: join(root, 'program'),
  };
}

/** Makes the folders that are missing. */
export function makeFolders(layout: Layout): void {
  mkdirSync(layout.root, { recursive: true, mode: 0o755 });
  for (const dir of [layout.tuf, layout.blobs, layout.releases, layout.versions, layout.data]) {
    mkdirSync(dir, { recursive: true });
  }
  // Backups hold the application's data and logs its output: not for every user of the host.
  for (const dir of [layout.backups, layout.logs, layout.scratch]) mkdirSync(dir, { recursive: true, mode: 0o700 });
}
