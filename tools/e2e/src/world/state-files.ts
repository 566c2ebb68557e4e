import { until } from '@lastcall/testkit';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/* What is in the databases of a data folder or of a backup of one, read from the side. */

export const SERVICES_WITH_STATE = ['catalog', 'scheduler', 'preflight', 'session', 'installer'];

export function rowsOf(folder: string, service: string, sql: string): Record<string, unknown>[] {
  const db = new DatabaseSync(join(folder, `${service}.db`), { readOnly: true });
  try {
    return db.prepare(sql).all();
  } finally {
    db.close();
  }
}

export function collectionsOf(folder: string, service: string): string[] {
  const sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'c\\_%' ESCAPE '\\'";
  return rowsOf(folder, service, sql).map(({ name }) => String(name).slice(2));
}

export function idsOf(folder: string, service: string, collection: string): string[] {
  return rowsOf(folder, service, `SELECT id FROM c_${collection} WHERE data IS NOT NULL`).map(({ id }) => String(id));
}

/** Version of each document, by its source. */
export function versionsIn(folder: string, services: readonly string[] = SERVICES_WITH_STATE): Map<string, number> {
  const versions = new Map<string, number>();
  for (const service of services) {
    for (const collection of collectionsOf(folder, service)) {
      for (const { id, version } of rowsOf(folder, service, `SELECT id, version FROM c_${collection}`)) {
        versions.set(`${service}/${collection}/${String(id)}`, Number(version));
      }
    }
  }
  return versions;
}

/** Resolves when nothing has been written for a second: what was begun has reached everybody. */
export async function settled(folder: string): Promise<void> {
  let last = '';
  let since = performance.now();
  await until(() => {
    const now = JSON.stringify([...versionsIn(folder)]);
    if (now !== last) [last, since] = [now, performance.now()];
    return performance.now() - since > 1_000;
  }, 'nothing to be written any more');
}

/** Every event that a document has taken in. */
export function takenIn(folder: string): { readonly source: string; readonly sequence: number }[] {
  return SERVICES_WITH_STATE.flatMap((service) =>
    collectionsOf(folder, service).flatMap((collection) =>
      rowsOf(folder, service, `SELECT inbox FROM c_${collection}`).flatMap(({ inbox }) =>
        (JSON.parse(String(inbox)) as string[]).map((event) => {
          const at = event.lastIndexOf('@');
          return { source: event.slice(0, at), sequence: Number(event.slice(at + 1)) };
        }),
      ),
    ),
  );
}
