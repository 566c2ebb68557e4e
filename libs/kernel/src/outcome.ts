/**
 * The three ways in which something does not happen, told apart by whose turn it is:
 *
 * - `Rejected`: a rule said no. A returned value; the caller changes the request or waits.
 * - `Fault`: something that we depend on failed. Thrown; the same call may succeed later.
 * - `Defect`: our mistake. Thrown; repeating does not help, somebody has to look.
 *
 * Handlers decide by kind; the table in the contracts library turns each into its gRPC status, acknowledgement and exit code.
 */

/** What kind of rule said no. Closed: the status table has one row for each. */
export type RejectionCode =
  | 'invalid' // a field is wrong; `violations` names each
  | 'not-found'
  | 'already-exists'
  | 'conflict' // an etag or version is not the current one
  | 'refused' // a rule of the present state; `reason` says which
  | 'confirmation-required' // `violations` names each caution that has to be confirmed
  | 'unauthenticated'
  | 'not-permitted'
  | 'too-many'; // a limit on size, number or rate

/** One wrong field, or one rule that is not met. */
export interface Violation {
  /** Path of the field (`job.start.time`) or name of the rule. */
  readonly field: string;
  /** What is wrong, what is allowed, what to do. */
  readonly description: string;
}

/** A rule said no. */
export interface Rejected {
  readonly kind: 'rejected';
  readonly code: RejectionCode;
  /** UPPER_SNAKE_CASE, for programs. */
  readonly reason: string;
  /** One sentence for people: what was refused, why, what to do. */
  readonly message: string;
  readonly violations: readonly Violation[];
  /** Facts for programs: names, limits, times. */
  readonly facts: Readonly<Record<string, string>>;
}

export function reject(
  code: RejectionCode,
  reason: string,
  message: string,
  more: { violations?: readonly Violation[]; facts?: Readonly<Record<string, string>> } = {},
): Rejected {
  return { kind: 'rejected', code, reason, message, violations: more.violations ?? [], facts: more.facts ?? {} };
}

/** All wrong fields of one input as one rejection. */
export function invalid(violations: readonly Violation[]): Rejected {
  const message = violations.map((v) => `${v.field}: ${v.description}`).join('; ');
  return reject('invalid', 'INVALID_ARGUMENT', message, { violations });
}

export function isRejected(value: unknown): value is Rejected {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'rejected';
}

/** Carries a rejection across code that can only throw, such as an RPC handler. */
export class RejectedError extends Error {
  override readonly name = 'RejectedError';
  constructor(readonly rejected: Rejected) {
    super(rejected.message);
  }
}

/** Returns the value, or throws the rejection as a RejectedError. */
export function orThrow<T>(value: T | Rejected): T {
  if (isRejected(value)) throw new RejectedError(value);
  return value;
}

/** A dependency failed (database, bus, disk, network, other service). The same call may succeed later. */
export class Fault extends Error {
  override readonly name = 'Fault';
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
  }
}

/** Our own mistake: an invariant of the code does not hold. Repeating does not help. */
export class Defect extends Error {
  override readonly name = 'Defect';
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
  }
}

/** Ends every `switch` over a tagged union; a forgotten variant does not compile. */
export function assertNever(value: never): never {
  throw new Defect(`unexpected variant: ${JSON.stringify(value)}`);
}
