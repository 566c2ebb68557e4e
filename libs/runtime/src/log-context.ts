import { AsyncLocalStorage } from 'node:async_hooks';
import type { Principal } from '@lastcall/contracts';
import { requestInstallation } from './auth/request-installation.js';

/*
 * What every line of the log carries that is written while an event is taken in, a call is answered or a duty looks after something: its
 * trace, and what it is about. What was set off meanwhile and goes on by itself begins without it (`createPoller`).
 */

export interface LogContext {
  readonly trace?: string;
  readonly installation?: string;
  readonly run?: string;
  readonly host?: string;
}

const current = new AsyncLocalStorage<LogContext>();
const NOTHING: LogContext = {};

export function withLogContext<T>(context: LogContext, run: () => Promise<T>): Promise<T> {
  return current.run(context, run);
}

export function withoutLogContext<T>(run: () => T): T {
  return current.getStore() === undefined ? run() : current.run(NOTHING, run);
}

export function logContext(): LogContext {
  return current.getStore() ?? NOTHING;
}

/** What is known of an event, an order or a run, as they name it themselves. */
export interface Known {
  readonly installation?: string | undefined;
  readonly run?: string | undefined;
  readonly host?: string | undefined;
  readonly traceparent?: string | undefined;
}

export function logContextOf({ traceparent, installation, run, host }: Known): LogContext {
  const trace = traceOf(traceparent);
  return { ...(trace && { trace }), ...(installation && { installation }), ...(run && { run }), ...(host && { host }) };
}

/** A caller writes what it likes into a header. */
function traceOf(traceparent: string | undefined): string | undefined {
  return traceparent && /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(traceparent)?.[1];
}

/** Of a caller that is bound to one installation; for what names none itself. The names of people stay out of the log. */
export function knownOfCaller(principal: Principal | undefined): Known {
  const { installation, role, subject = '' } = principal ?? {};
  return { installation, host: role === 'agent' ? subject.split('/')[1] : undefined };
}

const RUN = /^[a-z0-9-]{1,63}$/;
const NAME =
  /^installations\/[a-z0-9-]{1,63}\/(?:(?:runs|plans)\/(?<run>[a-z0-9-]{1,63})|hosts\/(?<host>[a-z0-9-]{1,63}))(?:\/|$)/;

/** Of a call: the installation that the request names, if it is one, with the run or host of its `name` or `parent`, or the run that it names beside them. */
export function contextOfCall(request: unknown, traceparent: string | undefined): LogContext {
  if (typeof request !== 'object' || request === null) return logContextOf({ traceparent });
  const named = requestInstallation(request);
  if (named.kind !== 'one') return logContextOf({ traceparent });
  const { name, parent, run } = request as { name?: unknown; parent?: unknown; run?: unknown };
  const found = NAME.exec(typeof name === 'string' ? name : typeof parent === 'string' ? parent : '');
  const beside = typeof run === 'string' && RUN.test(run) ? run : undefined;
  const { run: within, host } = found?.groups ?? {};
  return logContextOf({ traceparent, installation: named.installation, run: within ?? beside, host });
}
