import { pino, type DestinationStream, type Logger as PinoLogger } from 'pino';
import { logContext } from './log-context.js';

/*
 * JSON logs, one object a line. What could open a door never reaches a log: fields with such a name are replaced, however deep
 * somebody nested them (two levels; nobody logs whole requests here).
 */

export type Logger = PinoLogger;

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const SECRET_FIELDS = [
  'authorization',
  'code',
  'credential',
  'firstStartCode',
  'joinToken',
  'password',
  'secret',
  'token',
] as const;

/** `code` is a secret at the top and in requests; in errors it is a status and stays. */
const REDACTED = SECRET_FIELDS.flatMap((field) => [
  field,
  ...(field === 'code' ? ['request.code', 'hello.code'] : [`*.${field}`, `*.*.${field}`]),
]);

/** A line that somehow carries a credential (in an error's text, for example) loses it: a JWT has a shape. */
const JWT = /\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]{5,}/g;

export function createLogger(level: LogLevel, destination?: DestinationStream): Logger {
  const out = destination ?? pino.destination({ dest: 2, sync: true });
  return pino(
    {
      level,
      base: null,
      mixin: () => ({ ...logContext() }),
      // What a line says itself goes before where it was written.
      mixinMergeStrategy: (line, context) => ({ ...context, ...line }),
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: REDACTED, censor: '[redacted]' },
      hooks: { streamWrite: (line) => line.replace(JWT, '[redacted]') },
    },
    out,
  );
}
