import type { Link, LinkPlace, Listener } from './link.js';
import type { Notices } from './notices.js';

/* How a swarm speaks with what is measured. */

export interface Dialect {
  readonly notices: Notices;
  createLink(listener: Listener, place: LinkPlace): Link;
}

export type DialectName = 'grpc' | 'ws' | 'socketio' | 'nats';

export interface DialectOptions {
  readonly name: DialectName;
  readonly port: number;
  /** Sessions of each connection. */
  readonly perConnection: number;
  /** Bearer credential and installation, where it asks for them. */
  readonly credential: string;
  readonly installation: string;
}

/** Peers send texts that begin with the id of the notice. */
export function idOfText(text: string): string {
  return /^\S+/.exec(text)?.[0] ?? '';
}
