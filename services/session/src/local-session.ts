import type { sessionV1 } from '@lastcall/contracts';
import type { ServerStream } from '@lastcall/runtime';
import type { Bucket } from './domain/rate.js';

export type AttachStream = ServerStream<sessionV1.AttachRequest, sessionV1.AttachResponse>;

/**
 * A session of this replica. It is attached (it has a stream), lost (it may come back within the grace) or saving (it has been told that
 * it is over, and is inside until its work is saved). There are ten thousand of them: no closures, no timers.
 */
export interface LocalSession {
  /** Of its document. */
  readonly id: string;
  readonly session: string;
  readonly installation: string;
  readonly user: string;
  readonly displayName: string;
  readonly host: string;
  readonly language: string;
  readonly exempt: boolean;
  readonly epoch: number;
  /** Credential that it came with. */
  readonly token: string;
  /** Its client ends its side of the stream when it has saved. */
  readonly savesOnLogoff: boolean;
  /** Undefined: the connection is lost, or it saves. Nothing more is said or heard then. */
  stream: AttachStream | undefined;
  saving: { readonly stream: AttachStream; readonly until: number } | undefined;
  /** Whoever serves the stream, and has to be told that it has ended. */
  readonly connection: { finish(): void };
  lastHeardAt: number;
  lostAt: number;
  /** Notice of the logoff that it was told last; empty: none that stands. */
  told: string;
  /** Notice of a logoff that it acknowledged last, and whether its user has read it. */
  acknowledged: string;
  read: boolean;
  /** Word about a planned run that it was told last. */
  announcement: string;
  /** Message that it was sent last. */
  message: string;
  /** Messages since the last sweep. */
  heard: number;
  /** Asked for holds lately. */
  holds: Bucket | undefined;
}
