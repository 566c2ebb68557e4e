import { CallError, CODE, type CallOptions } from '@lastcall/sdk';
import { wrong, type Finding } from './finding.js';

/*
 * Questions to services that may not be there. One that cannot be reached, or does not let this credential in, is not asked again, so
 * that a thousand installations do not wait for it one after the other; what it was asked has no answer, and there is one finding.
 */

const WAIT_MS = 5_000;

const OUT: ReadonlySet<number> = new Set([
  CODE.unavailable,
  CODE.deadlineExceeded,
  CODE.permissionDenied,
  CODE.unauthenticated,
]);

export class Inquiry {
  readonly findings: Finding[] = [];
  private readonly out = new Set<string>();

  /** `about` is whom the question is about, `service` whom it goes to. */
  async ask<T>(service: string, about: string, call: (options: CallOptions) => Promise<T>): Promise<T | undefined> {
    if (this.out.has(service)) return undefined;
    try {
      return await call({ timeoutMs: WAIT_MS });
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      this.note(service, about, error);
      return undefined;
    }
  }

  private note(service: string, about: string, error: CallError): void {
    if (!OUT.has(error.code)) {
      this.findings.push(
        wrong(about, `${service} does not say how it is: ${error.message}`, `See the log of ${service}.`),
      );
      return;
    }
    if (this.out.has(service)) return;
    this.out.add(service);
    this.findings.push(wrong(service, `does not answer here: ${error.message}`, remedyOf(error)));
  }
}

function remedyOf({ code }: CallError): string {
  if (code === CODE.unauthenticated)
    return 'The credential was not accepted; LASTCALL_TOKEN_FILE names the file that it is read from.';
  if (code === CODE.permissionDenied)
    return 'Ask with the credential of an operator of all installations, or name one with -i.';
  return 'Look whether it runs, and whether LASTCALL_ADDR leads to it; what only it knows was not looked at.';
}
