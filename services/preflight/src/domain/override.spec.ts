import { DAY_MS } from '@lastcall/kernel';
import { answerWith, AT, OCCASION, reportOf } from '../testing/sample-matter.js';
import { CHECKS } from './checks/registry.js';
import { isBlocking } from './evaluate.js';
import type { Check, Override } from './facts.js';
import { MAX_OVERRIDE_MS, refuseOverride, withOverrides, type WantedOverride } from './override.js';
import { readiness } from './readiness.js';

const WANTED: WantedOverride = { check: 'memory', host: 'server', reason: 'It will do.', expiresAt: AT + DAY_MS };
const HOSTS = ['server', 'desk'];
const refused = (more: Partial<WantedOverride>) => refuseOverride({ ...WANTED, ...more }, HOSTS, AT);

const OVERRIDE: Override = {
  ...{ override: 'o-1', job: 'nightly', check: 'memory', host: 'server', reason: 'It will do.' },
  ...{ expiresAt: AT + DAY_MS, createdBy: 'anna', createdAt: AT },
};

describe('an override', () => {
  it('is allowed with a reason and until a time', () => {
    expect(refused({})).toBeUndefined();
    expect(refused({ host: '', expiresAt: AT + MAX_OVERRIDE_MS })).toBeUndefined();
  });

  it('is refused with everything that is wrong', () => {
    const wrong = refused({ check: 'gate', host: 'nobody', reason: '', expiresAt: undefined });
    expect(wrong?.violations.map((v) => v.field)).toEqual([
      'override.check',
      'override.host',
      'override.reason',
      'override.expire_time',
    ]);
  });

  it.each([AT, AT - 1, AT + MAX_OVERRIDE_MS + 1, NaN])('is refused until %d', (expiresAt) =>
    expect(refused({ expiresAt })?.violations).toMatchObject([{ field: 'override.expire_time' }]),
  );

  it.each(['hosts', 'host-online', 'backup', 'backup-age', 'restore-point', 'installed-version', 'data-version'])(
    'is refused for %s, with the reason',
    (check) => expect(refused({ check })).toMatchObject({ code: 'refused', reason: 'NEVER_OVERRIDDEN' }),
  );
  it.each(['signature', 'gate'])('is refused for %s, which is no check', (check) =>
    expect(refused({ check })).toMatchObject({ code: 'invalid' }),
  );
});

describe('an overridden check', () => {
  const failed = (host = 'server'): Check => ({
    ...{ check: 'memory', host, verdict: 'failed', asked: 'a', found: 'f', remedy: 'r', answeredAt: AT },
  });
  const blocking = (check: Check, override: Partial<Override>, at = AT) =>
    withOverrides([check], [{ ...OVERRIDE, ...override }], at).filter(isBlocking).length;

  it('keeps its verdict, has the override beside it and does not block', () => {
    const [check] = withOverrides([failed()], [OVERRIDE], AT);
    expect(check).toEqual({ ...failed(), override: OVERRIDE });
    expect(check && isBlocking(check)).toBe(false);
  });
  it('may be one that could not be answered', () => expect(blocking({ ...failed(), verdict: 'unknown' }, {})).toBe(0));
  it('may be on any host', () => expect(blocking(failed('desk'), { host: '' })).toBe(0));
  it.each<[string, Partial<Override>, number]>([
    ['of another host', { host: 'desk' }, AT],
    ['of another check', { check: 'cpu' }, AT],
    ['that is over', {}, AT + DAY_MS],
    ['that was taken back', { revokedAt: AT, revokedBy: 'bert' }, AT],
  ])('blocks in spite of one %s', (_, override, at) => expect(blocking(failed(), override, at)).toBe(1));

  it.each(CHECKS.filter((c) => c.neverOverridden !== undefined).map((c) => c.name))(
    '%s blocks, whatever is stored',
    (check) => expect(blocking({ ...failed(), check }, { check })).toBe(1),
  );
  it('is not marked when it passes', () =>
    expect(withOverrides(reportOf({}), [OVERRIDE], AT).some((c) => c.override)).toBe(false));

  it('lets a report pass that has nothing else', () => {
    const occasion = { ...OCCASION, hosts: OCCASION.hosts.slice(0, 1), overrides: [OVERRIDE] };
    const begun = readiness.evolve(readiness.initial, { type: 'begun', occasion, at: AT });
    const answer = { type: 'answer', host: 'server', answer: answerWith({ memoryBytes: 1 }) } as const;
    const events = readiness.decide(begun, answer);
    expect(events).toMatchObject([{ type: 'answered' }, { type: 'decided', verdict: 'passed' }]);
  });
});
