import { AsyncLocalStorage } from 'node:async_hooks';

/*
 * What every line of the log carries that is written while an event is taken in: its trace, and what it is about.
 */

export interface LogContext {
  readonly trace?: string;
  readonly installation?: string;
  readonly run?: string;
  readonly host?: string;
}

const current = new AsyncLocalStorage<LogContext>();

export function withLogContext<T>(context: LogContext, run: () => Promise<T>): Promise<T> {
  return current.run(context, run);
}

export function logContext(): LogContext {
  return current.getStore() ?? {};
}
