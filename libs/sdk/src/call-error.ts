import { rpcErrorsV1 } from '@lastcall/contracts';
import type { Violation } from '@lastcall/kernel';
import { Metadata, type ServiceError } from '@grpc/grpc-js';

/*
 * What a call that did not succeed looks like to callers: one error type, with everything that the server said about
 * the refusal. Nobody outside this package reads trailers.
 */

/** gRPC status codes by name. */
export const CODE = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** What a server said about a refusal, beside code and message. */
export interface CallErrorDetails {
  /** UPPER_SNAKE_CASE, for programs; empty when the server gave none. */
  readonly reason: string;
  /** Wrong fields, or rules that are not met. */
  readonly violations: readonly Violation[];
  readonly facts: Readonly<Record<string, string>>;
}

/** A call was refused, or failed. `message` is one sentence for people. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly reason: string;
  readonly violations: readonly Violation[];
  readonly facts: Readonly<Record<string, string>>;

  constructor(
    /** gRPC status code, see CODE. */
    readonly code: number,
    message: string,
    details: Partial<CallErrorDetails> = {},
    options?: { cause?: unknown },
  ) {
    super(message, options);
    this.reason = details.reason ?? '';
    this.violations = details.violations ?? [];
    this.facts = details.facts ?? {};
  }
}

const DETAILS_TRAILER = 'grpc-status-details-bin';

/** Turns whatever a call rejected with into a CallError; a CallError stays as it is. */
export function toCallError(error: unknown): CallError {
  if (error instanceof CallError) return error;
  if (!isServiceError(error)) {
    const message = error instanceof Error ? error.message : String(error);
    return new CallError(CODE.unknown, message, {}, { cause: error });
  }
  const status = readStatus(error.metadata);
  const message = status?.message ? status.message : error.details;
  return new CallError(error.code, message, status ? readDetails(status) : {}, { cause: error });
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && typeof (error as { code?: unknown }).code === 'number' && 'details' in error;
}

function readStatus(metadata: unknown): rpcErrorsV1.Status | undefined {
  const bytes = metadata instanceof Metadata ? metadata.get(DETAILS_TRAILER)[0] : undefined;
  if (!Buffer.isBuffer(bytes)) return undefined;
  try {
    return rpcErrorsV1.Status.decode(bytes);
  } catch {
    // A proxy may have put something else there; code and message of the call still stand.
    return undefined;
  }
}

function readDetails(status: rpcErrorsV1.Status): CallErrorDetails {
  let reason = '';
  let facts: Record<string, string> = {};
  const violations: Violation[] = [];
  for (const { typeUrl, value } of status.details) {
    switch (typeUrl.slice(typeUrl.lastIndexOf('/') + 1)) {
      case 'google.rpc.ErrorInfo': {
        const info = rpcErrorsV1.ErrorInfo.decode(value);
        reason = info.reason;
        facts = info.metadata;
        break;
      }
      case 'google.rpc.BadRequest':
        violations.push(...rpcErrorsV1.BadRequest.decode(value).fieldViolations);
        break;
      case 'google.rpc.PreconditionFailure':
        for (const v of rpcErrorsV1.PreconditionFailure.decode(value).violations) {
          violations.push({ field: v.subject || v.type, description: v.description });
        }
        break;
      default: // A detail of a newer server.
    }
  }
  return { reason, facts, violations };
}
