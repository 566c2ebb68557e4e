/*
 * Many sessions of one program (a server of a web application) share connections, but no more of them than every server and proxy takes: HTTP/2
 * recommends to allow at least 100 streams on a connection (RFC 9113, section 6.5.2), and what is above its limit waits without a word.
 */

export const SESSIONS_PER_CONNECTION = 100;

export interface ConnectionShare {
  /** Number of the connection, from 0. */
  readonly connection: number;
  /** The session is over. Safe twice. */
  release(): void;
}

/** Sessions on each connection. */
const taken: number[] = [];

/** A place on the first connection that has one. */
export function takeConnectionShare(): ConnectionShare {
  const found = taken.findIndex((sessions) => sessions < SESSIONS_PER_CONNECTION);
  const connection = found < 0 ? taken.length : found;
  taken[connection] = (taken[connection] ?? 0) + 1;
  let released = false;
  return {
    connection,
    release: () => {
      if (!released) taken[connection] = (taken[connection] ?? 1) - 1;
      released = true;
    },
  };
}
