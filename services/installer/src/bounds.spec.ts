import { hostOrderV1 } from '@lastcall/contracts';
import { boundFailure, boundResult } from './bounds.js';

const flood = 'x'.repeat(100_000);

describe('boundFailure', () => {
  it('keeps the end of what is too long', () => {
    const { message } = boundFailure(
      { reason: 'HEALTH_FAILED', message: `${flood}the end`, host: '', facts: {} },
      'srv',
    );
    expect(message).toHaveLength(4_000);
    expect(message.endsWith('the end')).toBe(true);
  });
  it('bounds names, number and size of the facts', () => {
    const facts = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`${'n'.repeat(80)}${i}`, flood]));
    const bounded = boundFailure({ reason: 'X', message: '', host: '', facts }, 'srv');
    expect(JSON.stringify(bounded).length).toBeLessThan(12_000);
  });
  it('names the host that said it, not the one that it names, and no code that is none', () =>
    expect(boundFailure({ reason: 'not a code', message: '', host: 'other', facts: {} }, 'srv')).toMatchObject({
      host: 'srv',
      reason: 'UNKNOWN_FAILURE',
    }));
});

describe('boundResult', () => {
  it('passes on what is right', () => {
    const result = hostOrderV1.OrderResult.fromPartial({ installedVersion: '1.0.0' });
    expect(boundResult(result, 'srv')).toMatchObject({ installedVersion: '1.0.0', wire: result });
  });
  it('turns a missing and an oversized one into a failure', () => {
    expect(boundResult(undefined, 'srv').failure?.reason).toBe('NO_RESULT');
    const facts = hostOrderV1.HostFacts.fromPartial({ unknown: { a: 'x'.repeat(300_000) } });
    const large = hostOrderV1.OrderResult.fromPartial({ evidence: { $case: 'facts', value: facts } });
    expect(boundResult(large, 'srv').wire.failure?.reason).toBe('RESULT_TOO_LARGE');
  });
});
