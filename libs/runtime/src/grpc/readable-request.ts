import { hasImpossibleTime, type MethodDefinition } from '@lastcall/contracts';
import { reject, type Rejected } from '@lastcall/kernel';

/*
 * Bytes that are no message of the contract. The transport would call them an internal error; they are the caller's mistake, and are told
 * so like every other one: with a reason, and to nobody who may not call at all.
 */

const UNREADABLE = Symbol('unreadable');

/** Answers a mark instead of throwing. */
export function readRequest(method: MethodDefinition): Pick<MethodDefinition, 'requestDeserialize'> {
  return {
    requestDeserialize: (bytes: Buffer): unknown => {
      try {
        return decodeRequest(method, bytes);
      } catch {
        return UNREADABLE; // Why does not help: the decoder speaks of offsets in what it was given.
      }
    },
  };
}

/** Throws when the bytes are no message of the method, or have a time in them that no clock shows: it could not be written again. */
export function decodeRequest(method: MethodDefinition, bytes: Buffer): unknown {
  const message: unknown = method.requestDeserialize(bytes);
  if (hasImpossibleTime(message)) throw new RangeError('a time is beyond what can be written');
  return message;
}

/** Undefined: it was read. */
export function refuseUnreadable({ path }: MethodDefinition, request: unknown): Rejected | undefined {
  if (request !== UNREADABLE) return undefined;
  const message = `The bytes that were sent are not the message that ${path} takes; the client and its contracts do not fit.`;
  return reject('invalid', 'BAD_MESSAGE', message);
}
