/*
 * JSON lines on standard error, one for each thing that happened. Codes and credentials are never given to it.
 */

export type LogFields = Readonly<Record<string, unknown>>;

export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** A line that somehow carries a credential (in an error's text, for example) loses it: a token has a shape. */
const JWT = /\beyJ[\w-]{5,}\.[\w-]{5,}\.[\w-]{5,}/g;

export function createLog(write: (line: string) => void = (line) => process.stderr.write(line)): Log {
  const say =
    (level: string) =>
    (event: string, fields: LogFields = {}): void =>
      write(
        `${JSON.stringify({ time: new Date().toISOString(), level, event, ...fields }).replace(JWT, '[redacted]')}\n`,
      );
  return { info: say('info'), warn: say('warn'), error: say('error') };
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
