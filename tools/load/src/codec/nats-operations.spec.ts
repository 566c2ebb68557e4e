import fc from 'fast-check';
import { Cutter } from './cutter.js';
import { isMessage, operationLength, payloadStart, subscriptionOf, wordOf } from './nats-operations.js';
import { split } from './testing/split.js';

type Operation = { readonly word: string } | { readonly subscription: number; readonly payload: string };

function readOperations(pieces: readonly Buffer[]): Operation[] {
  const operations: Operation[] = [];
  // As the socket lends it: what stands behind the piece is somebody else's.
  const lent = Buffer.alloc(5_000, 'MSG x 1 3\r\n');
  const cutter = new Cutter({
    lengthOf: operationLength,
    take: (bytes, start, end) => {
      if (!isMessage(bytes, start, end)) operations.push({ word: wordOf(bytes, start, end) });
      else {
        const payload = bytes.toString('latin1', payloadStart(bytes, start), end - 2);
        operations.push({ subscription: subscriptionOf(bytes, start), payload });
      }
    },
  });
  for (const piece of pieces) {
    piece.copy(lent);
    cutter.push(lent, 0, piece.length);
  }
  return operations;
}

const message = fc.record({
  subscription: fc.integer({ min: 1, max: 10_000 }),
  payload: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
});
const control = fc.constantFrom('PING', 'PONG', '+OK', 'INFO', '-ERR').map((word) => ({ word }));

function encode(operation: Operation): Buffer {
  if ('word' in operation)
    return Buffer.from(`${operation.word}${operation.word === 'INFO' ? ' {}' : ''}\r\n`, 'latin1');
  const { subscription, payload } = operation;
  return Buffer.from(`MSG notice ${subscription} ${payload.length}\r\n${payload}\r\n`, 'latin1');
}

it('operations are read, split at any bytes', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(message, control), { maxLength: 8 }), fc.array(fc.nat(1_500)), (operations, cuts) => {
      expect(readOperations(split(Buffer.concat(operations.map(encode)), cuts))).toEqual(operations);
    }),
  );
});
