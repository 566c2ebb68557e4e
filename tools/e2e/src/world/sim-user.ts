import { attachSession, type AttachedSession, type Channel } from '@lastcall/sdk';

/*
 * A person at a client: logged in whenever that is possible, on the version that stands on the host, as a desktop's shortcut
 * would start it. Keeps what happened to them.
 */

export interface UserLogEntry {
  readonly at: number;
  /** `lost`: the connection went away while the user was in. */
  readonly what: 'in' | 'told' | 'off' | 'refused' | 'lost';
  readonly detail: string;
}

export interface SimUser {
  readonly name: string;
  readonly host: string;
  readonly log: readonly UserLogEntry[];
  isIn(): boolean;
  /** In, and where a notice would arrive now. */
  isConnected(): boolean;
  leave(): Promise<void>;
}

export interface SimUserOptions {
  readonly name: string;
  readonly host: string;
  readonly installation: string;
  readonly channel: Channel;
  /** Version that stands on the host now. */
  version(): string;
  onChange(): void;
}

export function createSimUser(options: SimUserOptions): SimUser {
  const log: UserLogEntry[] = [];
  let session: AttachedSession;
  let inside = false;
  let left = false;
  const note = (what: UserLogEntry['what'], detail: string): void => {
    log.push({ at: Date.now(), what, detail });
    inside = what === 'in' || (inside && (what === 'told' || what === 'lost'));
    options.onChange();
  };
  const start = (): void => {
    const version = options.version();
    session = attachSession({
      user: options.name,
      version,
      host: options.host,
      installation: options.installation,
      channel: options.channel,
      env: {},
      onAttached: () => note('in', version),
      onNotice: (notice) => {
        note('told', String(notice.deadline?.getTime() ?? 0));
        notice.acknowledge();
      },
      onLogoff: (reason) => note('off', reason),
      onRefused: (_text, _at, refusal) => {
        note('refused', refusal.reason);
        // The program is of another version: it ends, and the person starts the new one.
        if (refusal.reason === 'wrong-version') void session.goodbye();
      },
    });
    void session.finished.then(() => {
      if (!left) setTimeout(start, 50);
    });
  };
  start();
  // The SDK tells nobody that a connection is being found again; a test wants to know whether a user could be told.
  const watch = setInterval(() => {
    const away = session.phase === 'backing-off' || session.phase === 'connecting';
    if (away && inside && log.at(-1)?.what !== 'lost') note('lost', session.phase);
  }, 10);
  return {
    name: options.name,
    host: options.host,
    log,
    isIn: () => inside,
    isConnected: () => inside && log.at(-1)?.what !== 'lost',
    leave: async () => {
      left = true;
      clearInterval(watch);
      await session.goodbye();
    },
  };
}
