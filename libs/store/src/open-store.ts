import { Defect, type Clock } from '@lastcall/kernel';
import type { Store } from './port.js';
import type { TraceContext } from './say.js';
import { openSqliteStore } from './sqlite/sqlite-store.js';

export interface StoreOptions {
  /** '' for SQLite; otherwise a `mongodb://` or `mongodb+srv://` address. */
  readonly url: string;
  /** Path of the SQLite file; made when it is missing, its folder too. One process owns it. */
  readonly file: string;
  /** Name of the service; the first part of the `source` of its events. */
  readonly service: string;
  /** Name of the MongoDB database, `{prefix}_{service}`. */
  readonly database: string;
  /** Trace context of the present call; stamped on the events that it leads to. */
  readonly traceContext?: () => TraceContext;
  /** Clock of the SQLite store; MongoDB has its own. Tests pass a manual one. */
  readonly clock?: Clock;
}

/** Opens the store that the address stands for. Throws a Fault that says what to do when it cannot be opened. */
export async function openStore(options: StoreOptions): Promise<Store> {
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(options.service)) throw new Defect(`no name of a service: ${options.service}`);
  if (options.url === '') return openSqliteStore(options);
  // Loaded only here: a site that runs on SQLite does not pay for the driver's start.
  const { openMongoStore } = await import('./mongo/mongo-store.js');
  return openMongoStore(options);
}
