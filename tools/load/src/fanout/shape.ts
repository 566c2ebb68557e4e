import type { DialectName } from '../swarm/dialect.js';

/* What is measured, and how. */

export const TARGETS = ['lastcall', 'grpc', 'http2', 'nats', 'ws', 'socketio'] as const;
export type TargetName = (typeof TARGETS)[number];

export const TITLES: Readonly<Record<TargetName, string>> = {
  lastcall: 'Lastcall',
  grpc: 'bare grpc-js',
  http2: 'bare node:http2',
  nats: 'NATS WebSocket',
  ws: 'ws',
  socketio: 'Socket.IO',
};

export const DIALECTS: Readonly<Record<TargetName, DialectName>> = {
  lastcall: 'grpc',
  grpc: 'grpc',
  http2: 'grpc',
  nats: 'nats',
  ws: 'ws',
  socketio: 'socketio',
};

export interface Shape {
  readonly clients: number;
  /** Sessions of each connection. */
  readonly perConnection: number;
  /** Rounds of each kind. */
  readonly rounds: number;
  /** Whole SDK clients beside the swarm; Lastcall only. */
  readonly sentinels: number;
}

/** Characters of each notice. */
export const NOTICE_CHARACTERS = 300;
/** From the notice to the logoff that is measured. */
export const REACTION_S = 5;
