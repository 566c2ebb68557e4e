import fc from 'fast-check';
import { Cutter } from './cutter.js';
import { encodeMessage, messageLength, MESSAGE_HEAD_BYTES } from './grpc-messages.js';
import { split } from './testing/split.js';

/** Units as they were taken, copied: the bytes are lent. */
function cutterOf() {
  const taken: string[] = [];
  const cutter = new Cutter({
    lengthOf: messageLength,
    take: (bytes, start, end) => taken.push(bytes.toString('latin1', start + MESSAGE_HEAD_BYTES, end)),
  });
  return { cutter, taken };
}

const payloads = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 });
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

describe('cutting', () => {
  it('gives back what was put together, split at any bytes', () => {
    fc.assert(
      fc.property(payloads, fc.array(fc.nat(500)), (messages, cuts) => {
        const { cutter, taken } = cutterOf();
        for (const piece of split(Buffer.concat(messages.map(encodeMessage)), cuts))
          cutter.push(piece, 0, piece.length);
        expect(taken).toEqual(messages.map(text));
        expect(cutter.isClean).toBe(true);
      }),
    );
  });

  it('keeps nothing of a buffer that is lent', () => {
    fc.assert(
      fc.property(payloads, fc.array(fc.nat(500)), (messages, cuts) => {
        const lent = Buffer.alloc(600);
        const { cutter, taken } = cutterOf();
        for (const piece of split(Buffer.concat(messages.map(encodeMessage)), cuts)) {
          lent.fill(255);
          piece.copy(lent, 7);
          cutter.push(lent, 7, 7 + piece.length);
        }
        expect(taken).toEqual(messages.map(text));
      }),
    );
  });

  it('stands in the middle of a unit until it is whole', () => {
    const { cutter, taken } = cutterOf();
    const bytes = encodeMessage(Buffer.from('notice'));
    cutter.push(bytes, 0, 8);
    expect([cutter.isClean, taken]).toEqual([false, []]);
    cutter.push(bytes, 8, bytes.length);
    expect([cutter.isClean, taken]).toEqual([true, ['notice']]);
  });
});
