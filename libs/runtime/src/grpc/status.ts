import { DEFECT_STATUS, FAULT_STATUS, msToDuration, Poison, REJECTION_STATUS, rpcErrorsV1 } from '@lastcall/contracts';
import { Fault, isRejected, RejectedError, type Rejected } from '@lastcall/kernel';
import { Metadata, type StatusObject } from '@grpc/grpc-js';

/*
 * What a caller is told. A rejection goes out with all its details (google.rpc ErrorInfo, and BadRequest or
 * PreconditionFailure), so that SDKs and people can act on it. A Fault says that repeating may help. Anything else is our
 * mistake: its text stays in the log, because it may name what a caller must not know.
 */

/** Fact of a refusal: milliseconds until it is worth trying again. Goes out as RetryInfo too. */
export const RETRY_AFTER_FACT = 'retryAfterMs';
export const DETAILS_TRAILER = 'grpc-status-details-bin';
const DOMAIN = 'lastcall';
const TYPE_PREFIX = 'type.googleapis.com/';
/** Trailers of 8 KB pass every proxy; what does not fit is left out, never the status. */
const MAX_DETAILS_BYTES = 6 * 1024;
const MAX_MESSAGE_CHARS = 1_000;

/** Finds the rejection in what a handler returned or threw. */
export function rejectionOf(value: unknown): Rejected | undefined {
  if (value instanceof RejectedError) return value.rejected;
  return isRejected(value) ? value : undefined;
}

/** Whether it is a mistake of ours, to be logged with everything. */
export function isDefect(error: unknown): boolean {
  return !(rejectionOf(error) ?? error instanceof Fault);
}

export function statusOf(error: unknown): StatusObject {
  const rejected = rejectionOf(error);
  if (rejected) return rejectedStatus(rejected);
  const metadata = new Metadata();
  if (error instanceof Fault) {
    const details = 'Something that this call depends on does not answer; try again.';
    return { code: FAULT_STATUS.grpc, details, metadata };
  }
  const details = error instanceof Poison ? 'Stored data cannot be read; see the log.' : 'Internal error; see the log.';
  return { code: DEFECT_STATUS.grpc, details, metadata };
}

/** A server that stops asks its streams to come again elsewhere. */
export function stoppingStatus(): StatusObject {
  return { code: FAULT_STATUS.grpc, details: 'The server is stopping; connect again.', metadata: new Metadata() };
}

function rejectedStatus(rejected: Rejected): StatusObject {
  const { grpc: code } = REJECTION_STATUS[rejected.code];
  // Half a character at the end, and the transport throws where nobody catches it.
  const message = rejected.message.slice(0, MAX_MESSAGE_CHARS).toWellFormed();
  const metadata = new Metadata();
  metadata.set(DETAILS_TRAILER, encodeDetails(code, message, rejected));
  return { code, details: message, metadata };
}

function encodeDetails(code: number, message: string, rejected: Rejected): Buffer {
  for (let { violations } = rejected; ; violations = violations.slice(0, Math.floor(violations.length / 2))) {
    const details = [
      errorInfo(rejected, violations.length),
      ...violationDetails({ ...rejected, violations }),
      ...retryDetails(rejected),
    ];
    const bytes = Buffer.from(rpcErrorsV1.Status.encode({ code, message, details }).finish());
    if (bytes.length <= MAX_DETAILS_BYTES || violations.length === 0) return bytes;
  }
}

function errorInfo({ reason, facts, violations }: Rejected, shown: number): rpcErrorsV1.Detail {
  const metadata: Record<string, string> = {};
  let chars = 0;
  for (const [key, value] of Object.entries(facts)) {
    chars += key.length + value.length;
    if (chars <= MAX_DETAILS_BYTES / 3) metadata[key] = value;
  }
  if (shown < violations.length) metadata['violations'] = `${shown} of ${violations.length} shown`;
  const info = rpcErrorsV1.ErrorInfo.encode({ reason, domain: DOMAIN, metadata }).finish();
  return detail('google.rpc.ErrorInfo', info);
}

function violationDetails({ code, reason, violations }: Rejected): rpcErrorsV1.Detail[] {
  if (violations.length === 0) return [];
  if (code === 'invalid') {
    const fieldViolations = violations.map(({ field, description }) => ({ field, description }));
    return [detail('google.rpc.BadRequest', rpcErrorsV1.BadRequest.encode({ fieldViolations }).finish())];
  }
  const failed = violations.map((v) => ({ type: reason, subject: v.field, description: v.description }));
  const encoded = rpcErrorsV1.PreconditionFailure.encode({ violations: failed }).finish();
  return [detail('google.rpc.PreconditionFailure', encoded)];
}

function retryDetails({ facts }: Rejected): rpcErrorsV1.Detail[] {
  const ms = Number(facts[RETRY_AFTER_FACT]);
  if (!(ms > 0)) return [];
  const encoded = rpcErrorsV1.RetryInfo.encode({ retryDelay: msToDuration(ms) }).finish();
  return [detail('google.rpc.RetryInfo', encoded)];
}

function detail(type: string, value: Uint8Array): rpcErrorsV1.Detail {
  return { typeUrl: TYPE_PREFIX + type, value: Buffer.from(value) };
}
