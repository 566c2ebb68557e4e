import type { RejectionCode } from '@lastcall/kernel';

/**
 * One row for each way in which something is refused or fails: what it is on gRPC, on HTTP, for the bus and as exit code
 * of the command line. A refusal is never a server failure.
 */
export interface StatusRow {
  /** gRPC status code (google.rpc.Code). */
  readonly grpc: number;
  readonly http: number;
  /** `done`: acknowledge, repeating changes nothing. `again`: not acknowledged, comes back with backoff. */
  readonly bus: 'done' | 'again';
  readonly exit: number;
}

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  notFound: 4,
  notReachable: 5,
  notPermitted: 6,
} as const;

export const REJECTION_STATUS: Readonly<Record<RejectionCode, StatusRow>> = {
  invalid: { grpc: 3, http: 400, bus: 'done', exit: EXIT.usage },
  'not-found': { grpc: 5, http: 404, bus: 'done', exit: EXIT.notFound },
  'already-exists': { grpc: 6, http: 409, bus: 'done', exit: EXIT.refused },
  conflict: { grpc: 10, http: 409, bus: 'done', exit: EXIT.refused },
  refused: { grpc: 9, http: 409, bus: 'done', exit: EXIT.refused },
  'confirmation-required': { grpc: 9, http: 409, bus: 'done', exit: EXIT.refused },
  unauthenticated: { grpc: 16, http: 401, bus: 'done', exit: EXIT.notPermitted },
  'not-permitted': { grpc: 7, http: 403, bus: 'done', exit: EXIT.notPermitted },
  'too-many': { grpc: 8, http: 429, bus: 'done', exit: EXIT.refused },
};

/** A dependency failed; the caller may repeat. */
export const FAULT_STATUS: StatusRow = { grpc: 14, http: 503, bus: 'again', exit: EXIT.notReachable };

/** A bug. */
export const DEFECT_STATUS: StatusRow = { grpc: 13, http: 500, bus: 'again', exit: EXIT.failed };

/** Exit code for a gRPC status that came from a server. */
export function exitCodeForGrpc(code: number): number {
  switch (code) {
    case 0:
      return EXIT.done;
    case 3:
    case 11:
      return EXIT.usage;
    case 5:
      return EXIT.notFound;
    case 6:
    case 8:
    case 9:
    case 10:
      return EXIT.refused;
    case 4:
    case 14:
      return EXIT.notReachable;
    case 7:
    case 16:
      return EXIT.notPermitted;
    default:
      return EXIT.failed;
  }
}
