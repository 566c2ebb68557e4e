import { EXIT, exitCodeForGrpc, FAULT_STATUS, REJECTION_STATUS } from '@lastcall/contracts';
import { Fault, RejectedError, type Violation } from '@lastcall/kernel';
import { CallError, CODE } from '@lastcall/sdk';
import { oneLine, safe } from './render/text.js';

/*
 * What did not work, for people (stderr: what was refused, why, what to do) and for programs (the exit code). Nothing else
 * in this package decides an exit code of a failure.
 */

/** The command line itself is wrong: a value, or a combination of options. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Files are wrong; each line says where and which rule. */
export class FileProblems extends Error {
  override readonly name = 'FileProblems';
  constructor(readonly problems: readonly { readonly file: string; readonly line?: number; readonly rule: string }[]) {
    super(`${problems.length} problems in files`);
  }
}

/** What was asked for was tried, and did not succeed. */
export class OperationFailed extends Error {
  override readonly name = 'OperationFailed';
}

export interface Told {
  readonly exitCode: number;
  /** For stderr, ends in a line break. */
  readonly text: string;
}

/** `what` is the command: `lastcall job create`. */
export function tell(error: unknown, what: string): Told {
  if (error instanceof UsageError) return told(EXIT.usage, what, error.message, [`See "${what} --help".`]);
  if (error instanceof FileProblems) return { exitCode: EXIT.usage, text: fileLines(error) };
  if (error instanceof OperationFailed) return told(EXIT.failed, what, error.message);
  if (error instanceof CallError) return tellCall(error, what);
  if (error instanceof RejectedError) {
    const { code, reason, message, violations } = error.rejected;
    const exitCode = reason === 'NO_ADDRESS' ? EXIT.notReachable : REJECTION_STATUS[code].exit;
    return told(exitCode, what, ...withViolations(message, violations));
  }
  // How the prompts say that somebody pressed Ctrl-C.
  if (error instanceof Error && error.name === 'ExitPromptError') return told(EXIT.failed, what, 'cancelled');
  return told(error instanceof Fault ? FAULT_STATUS.exit : EXIT.failed, what, withCause(error));
}

function withCause(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message: why } = (error.cause ?? {}) as { readonly message?: unknown };
  return typeof why === 'string' ? `${error.message} (${why})` : error.message;
}

function tellCall(error: CallError, what: string): Told {
  const [message, lines] = withViolations(error.message, error.violations);
  return told(exitCodeForGrpc(error.code), what, message, [...lines, ...remedies(error)]);
}

/** Every wrong field on a line of its own; once. */
function withViolations(message: string, violations: readonly Violation[]): [string, string[]] {
  const lines = violations.map(({ field, description }) => `${field}: ${description}`);
  if (lines.length === 0) return [message, []];
  const saysThemAll = violations.every((v) => message.includes(v.description));
  return [saysThemAll ? 'this is refused:' : message, lines];
}

/** What a seat without a server cannot reach is no Lastcall. */
const SEAT_REASONS: ReadonlySet<string> = new Set(['CATALOG_NOT_REACHABLE', 'PROGRAM_ENDED']);

function remedies(error: CallError): string[] {
  if (error.reason === 'CONFIRMATION_REQUIRED') {
    const options = error.violations.map((v) => `--confirm ${v.field}`).join(' ');
    return [`To go ahead all the same, add: ${options}`];
  }
  if (SEAT_REASONS.has(error.reason)) return ['Try again when it is there; what has arrived is kept.'];
  switch (error.code) {
    case CODE.unavailable:
      return ['Is Lastcall running ("lastcall up"), and is LASTCALL_ADDR right?'];
    case CODE.unauthenticated:
      return ['The credential was not accepted. LASTCALL_TOKEN_FILE names the file that it is read from.'];
    case CODE.deadlineExceeded:
      return ['It may have happened all the same: look before you repeat it.'];
    default:
      return [];
  }
}

function told(exitCode: number, what: string, message: string, lines: readonly string[] = []): Told {
  return { exitCode, text: [`${what}: ${safe(message)}`, ...lines.map((l) => `  ${oneLine(l)}`), ''].join('\n') };
}

function fileLines({ problems }: FileProblems): string {
  return problems.map(({ file, line, rule }) => `${safe(file)}${line ? `:${line}` : ''}: ${oneLine(rule)}\n`).join('');
}
