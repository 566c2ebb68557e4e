import type { catalogV1 } from '@lastcall/contracts';
import { Fault, RejectedError } from '@lastcall/kernel';
import { CallError, CODE, type UnaryClient } from '@lastcall/sdk';
import { asCalledService } from './called-service.js';

type Catalog = UnaryClient<typeof catalogV1.CatalogServiceService>;

/** What a caller of another service gets when the call ends with this. */
async function outcomeOf(error: unknown): Promise<unknown> {
  const client = asCalledService({ getProduct: () => Promise.reject(error as Error) } as unknown as Catalog);
  return client.getProduct({ name: 'products/p' }).catch((thrown: unknown) => thrown);
}

describe('a call of another service', () => {
  it.each([
    [CODE.notFound, 'not-found'],
    [CODE.invalidArgument, 'invalid'],
    [CODE.failedPrecondition, 'refused'],
    [CODE.resourceExhausted, 'too-many'],
  ])('that is refused with %d is a rejection %s, with all that was said', async (code, kind) => {
    const violations = [{ field: 'name', description: 'is wrong' }];
    const error = await outcomeOf(new CallError(code, 'No.', { reason: 'WHY', violations, facts: { a: 'b' } }));
    expect(error).toBeInstanceOf(RejectedError);
    const rejected = { code: kind, reason: 'WHY', message: 'No.', violations, facts: { a: 'b' } };
    expect((error as RejectedError).rejected).toMatchObject(rejected);
  });

  it.each([CODE.unavailable, CODE.deadlineExceeded, CODE.unauthenticated, CODE.permissionDenied, CODE.internal])(
    'that ends with %d is a fault: it says nothing about the request',
    async (code) => expect(await outcomeOf(new CallError(code, 'x'))).toBeInstanceOf(Fault),
  );
});
