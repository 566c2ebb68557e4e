import type { ServiceDefinition } from '@lastcall/contracts';
import { Fault, reject, RejectedError, type RejectionCode } from '@lastcall/kernel';
import { CallError, CODE, type UnaryClient } from '@lastcall/sdk';

/*
 * What a service gets when another one refuses or fails: the same two kinds as from its own domain and store. A refusal keeps code, reason
 * and every violation, so it can be handed on to whoever asked; a service that cannot answer is a Fault.
 */

/** Refusals of the request. That our own credential is refused is no answer to the request, and nobody else's business. */
const REFUSALS: Readonly<Record<number, RejectionCode>> = {
  [CODE.invalidArgument]: 'invalid',
  [CODE.notFound]: 'not-found',
  [CODE.alreadyExists]: 'already-exists',
  [CODE.aborted]: 'conflict',
  [CODE.failedPrecondition]: 'refused',
  [CODE.resourceExhausted]: 'too-many',
};

function translated(error: unknown): unknown {
  if (!(error instanceof CallError)) return error;
  const code = REFUSALS[error.code];
  if (code === undefined) return new Fault(`another service did not answer: ${error.message}`, { cause: error });
  return new RejectedError(reject(code, error.reason, error.message, error));
}

/** The client's unary calls throw RejectedError or Fault. */
export function asCalledService<D extends ServiceDefinition>(client: UnaryClient<D>): UnaryClient<D> {
  const calls = Object.entries(client as Record<string, (...args: readonly unknown[]) => unknown>);
  const wrapped = calls.map(([name, call]) => [
    name,
    (...args: readonly unknown[]): unknown => {
      const answer = call(...args);
      if (!(answer instanceof Promise)) return answer;
      return answer.catch((error: unknown) => {
        throw translated(error);
      });
    },
  ]);
  return Object.fromEntries(wrapped) as UnaryClient<D>;
}
