import { CODE, type CallError } from '../call-error.js';
import type { ReportProblem } from './session-problem.js';
import { refusalOf } from './session-wire.js';
import type { Refusal } from './session-words.js';

/*
 * Streams that did not come to be, or failed. The user is told of what a server refused; what is wrong between here and the server is told
 * to the developer, each thing once until the session is attached again, and a server that is only being restarted is no trouble.
 */

/** Failed attempts in a row until a server counts as not reachable. */
const PATIENCE = 4;

export class ConnectionTrouble {
  private failed = 0;
  private readonly told = new Set<string>();

  constructor(private readonly report: ReportProblem) {}

  /** The refusal that the user has to know of, if it is one. */
  with(error: CallError): Refusal | undefined {
    // Such as a file that is just being replaced: nothing that a user can do something about.
    if (error.reason === 'CREDENTIAL_UNREADABLE') return this.tell('LASTCALL_CREDENTIAL', error.message);
    const refusal = refusalOf(error);
    this.failed = error.code === CODE.unavailable ? this.failed + 1 : 0;
    if (this.failed === PATIENCE) return this.tell('LASTCALL_UNREACHABLE', `Lastcall is not reached: ${whyNot(error)}`);
    return refusal;
  }

  isOver(): void {
    this.failed = 0;
    this.told.clear();
  }

  private tell(code: 'LASTCALL_CREDENTIAL' | 'LASTCALL_UNREACHABLE', message: string): undefined {
    if (!this.told.has(message)) this.report(code, message);
    this.told.add(message);
  }
}

/** Without the heading of a remark that the transport leaves empty. */
function whyNot({ message }: CallError): string {
  return message.replace(/\s*Resolution note:\s*$/, '');
}
