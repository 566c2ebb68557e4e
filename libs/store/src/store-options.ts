import type { Clock } from '@lastcall/kernel';
import type { TraceContext } from './say.js';

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
