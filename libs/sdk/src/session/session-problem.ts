/*
 * What an application has to know of its session and its users need not: settings that are missing, a credential that cannot be read, a
 * callback that failed. A session never throws into its application; problems go to `onError`.
 */

/** What kind of problem a session has. */
export type ProblemCode =
  /** Something that the session cannot begin without is missing or wrong. */
  | 'LASTCALL_SETTINGS'
  /** The credential cannot be read; it is tried again and again. */
  | 'LASTCALL_CREDENTIAL'
  /** The server was not reached several times in a row; it is tried again and again. */
  | 'LASTCALL_UNREACHABLE'
  /** A callback of the application threw, or its promise was rejected. */
  | 'LASTCALL_CALLBACK'
  /** The application asked for a hold that cannot be. */
  | 'LASTCALL_HOLD'
  /** A mistake in this package. */
  | 'LASTCALL_DEFECT';

/** What is wrong with a session; `cause` is the error behind it, where there is one. */
export class SessionProblem extends Error {
  override readonly name = 'SessionProblem';
  constructor(
    readonly code: ProblemCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

export type ReportProblem = (code: ProblemCode, what: string, cause?: unknown) => void;

/** Hands problems to the application, or to the process as a warning with a code. Never throws. */
export function reportTo(onError: ((problem: SessionProblem) => void) | undefined): ReportProblem {
  return (code, what, cause) => {
    const problem = new SessionProblem(code, cause === undefined ? what : `${what}: ${wordsOf(cause)}`, { cause });
    try {
      if (onError) onError(problem);
      else warn(problem);
    } catch (error) {
      warn(new SessionProblem('LASTCALL_CALLBACK', `onError failed: ${wordsOf(error)}, with: ${problem.message}`));
    }
  };
}

export function wordsOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

function warn({ code, message, cause }: SessionProblem): void {
  const detail = cause instanceof Error ? (cause.stack ?? '') : '';
  process.emitWarning(message, { type: 'LastcallWarning', code, detail });
}
