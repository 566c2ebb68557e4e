import { stat } from 'node:fs/promises';
import type { Layout } from '../layout.js';

/** Which folders share their free bytes: the same id is the same volume. */
export async function volumesOf({ versions, backups, data }: Layout): Promise<Readonly<Record<string, string>>> {
  const idOf = async (dir: string): Promise<string> => String((await stat(dir, { bigint: true })).dev);
  return { stage: await idOf(versions), backup: await idOf(backups), data: await idOf(data) };
}
