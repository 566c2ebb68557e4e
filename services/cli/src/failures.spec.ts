import { EXIT } from '@lastcall/contracts';
import { invalid, reject, RejectedError } from '@lastcall/kernel';
import { CallError, CODE } from '@lastcall/sdk';
import { FileProblems, OperationFailed, tell, UsageError } from './failures.js';

const what = 'lastcall job create';

describe('a failure', () => {
  it.each([
    [new UsageError('x'), EXIT.usage],
    [new OperationFailed('x'), EXIT.failed],
    [new FileProblems([]), EXIT.usage],
    [new CallError(CODE.failedPrecondition, 'x'), EXIT.refused],
    [new CallError(CODE.notFound, 'x'), EXIT.notFound],
    [new CallError(CODE.unavailable, 'x'), EXIT.notReachable],
    [new CallError(CODE.permissionDenied, 'x'), EXIT.notPermitted],
    [new RejectedError(reject('refused', 'IN_USE', 'x')), EXIT.refused],
    [new RejectedError(reject('not-found', 'NO_ADDRESS', 'x')), EXIT.notReachable],
    [new Error('x'), EXIT.failed],
  ])('%s has its exit code', (error, exitCode) => expect(tell(error, what).exitCode).toBe(exitCode));

  it('says every wrong field once', () => {
    const violations = [
      { field: 'job.title', description: 'is empty' },
      { field: 'job.start', description: 'is in the past' },
    ];
    const { message } = invalid(violations);
    const { text } = tell(new CallError(CODE.invalidArgument, message, { violations }), what);
    expect(text).toBe('lastcall job create: this is refused:\n  job.title: is empty\n  job.start: is in the past\n');
  });

  it('says how to confirm a caution', () => {
    const violations = [{ field: 'users-logged-in', description: '12 users are logged in' }];
    const error = new CallError(9, 'Cautions have to be confirmed.', { reason: 'CONFIRMATION_REQUIRED', violations });
    expect(tell(error, what).text).toContain('add: --confirm users-logged-in');
  });

  it('names file, line and rule', () => {
    const problems = [
      { file: 'a/lastcall.yaml', line: 7, rule: 'lacks "role"' },
      { file: 'a/x', rule: 'is a link' },
    ];
    expect(tell(new FileProblems(problems), what).text).toBe('a/lastcall.yaml:7: lacks "role"\na/x: is a link\n');
  });

  it('does not obey what a server says', () => {
    expect(tell(new CallError(CODE.internal, '\u001b[2Jgone'), what).text).not.toContain('\u001b');
  });
});
