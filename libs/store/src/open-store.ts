import { Defect } from '@lastcall/kernel';
import type { Store } from './port.js';
import { openSqliteStore } from './sqlite/sqlite-store.js';
import type { StoreOptions } from './store-options.js';

/** Opens the store that the address stands for. Throws a Fault that says what to do when it cannot be opened. */
export async function openStore(options: StoreOptions): Promise<Store> {
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(options.service)) throw new Defect(`no name of a service: ${options.service}`);
  if (options.url === '') return openSqliteStore(options);
  // Loaded only here: a site that runs on SQLite does not pay for the driver's start.
  const { openMongoStore } = await import('./mongo/mongo-store.js');
  return openMongoStore(options);
}
