import { ensureIdentity } from '@lastcall/runtime';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/* What other commands on this machine find in the data folder: where Lastcall is, and the operator's credential. */

export interface Endpoints {
  /** `host:port`. */
  readonly grpc: string;
  /** `http://host:port`. */
  readonly http: string;
}

/** Makes the folder with its keys and credentials, where they are missing. Answers the file of the operator's credential. */
export async function prepare(dataDir: string): Promise<string> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const token = join(dataDir, 'operator.token');
  await replaceFile(token, await readFile(await ensureIdentity(join(dataDir, 'identity')), 'utf8'));
  return token;
}

export async function writeEndpoints(dataDir: string, endpoints: Endpoints): Promise<void> {
  await replaceFile(join(dataDir, 'endpoints.json'), `${JSON.stringify(endpoints)}\n`);
}

export async function removeEndpoints(dataDir: string): Promise<void> {
  await rm(join(dataDir, 'endpoints.json'), { force: true });
}

/** A reader sees the old file or the new one, never a part. */
async function replaceFile(file: string, content: string): Promise<void> {
  const draft = `${file}.${process.pid}`;
  await writeFile(draft, content, { mode: 0o600 });
  await rename(draft, file);
}
