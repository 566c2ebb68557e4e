import { reject } from '@lastcall/kernel';
import { rpcErrorsV1 } from '@lastcall/contracts';
import { DETAILS_TRAILER, statusOf } from './status.js';

it.each([998, 999, 1_000])('a refusal of %d characters and more that ends within a character can be sent', (chars) => {
  const status = statusOf(reject('invalid', 'TOO_LONG', `${'x'.repeat(chars)}${'😀'.repeat(20)}`));
  // What the transport does with it; a lone half throws there, and that ends the process.
  expect(() => encodeURI(status.details)).not.toThrow();
  const [details] = status.metadata.get(DETAILS_TRAILER);
  expect(rpcErrorsV1.Status.decode(details as Buffer).message).toBe(status.details);
});
