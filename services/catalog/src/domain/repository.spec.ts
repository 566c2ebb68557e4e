import fc from 'fast-check';
import {
  delegatedProducts,
  isIdle,
  nextRenewalAt,
  planRepository,
  TOP_ROLE,
  type Lifetimes,
  type RepositoryHead,
  type RepositoryPlan,
} from './repository.js';

const lifetimes: Lifetimes = { targetsMs: 1_000, snapshotMs: 100, timestampMs: 10 };
const file = (version: number, expiresAt: number): RepositoryHead['snapshot'] => ({
  version,
  bytes: 1,
  sha256: 'x',
  expiresAt,
});

interface Desired {
  readonly roles: Readonly<Record<string, string>>;
  readonly keysDigest: string;
}

/** What the shell makes of a plan: signs, writes, answers the next head. */
function carryOut(
  head: RepositoryHead | undefined,
  plan: RepositoryPlan,
  desired: Desired,
  now: number,
): RepositoryHead {
  const version = (head?.timestamp.version ?? 0) + 1;
  const signed = plan.roles.map((role) => [
    role,
    { ...file(version, now + lifetimes.targetsMs), digest: desired.roles[role] ?? '' },
  ]);
  const snapshot = plan.snapshot ? file(version, now + lifetimes.snapshotMs) : head?.snapshot;
  if (!snapshot) throw new Error('a first plan without snapshot');
  return {
    roles: { ...head?.roles, ...(Object.fromEntries(signed) as RepositoryHead['roles']) },
    snapshot,
    keysDigest: desired.keysDigest,
    timestamp: { version, expiresAt: now + lifetimes.timestampMs, text: '' },
  };
}

const desired = (roles: Record<string, string>): Desired => ({ roles: { [TOP_ROLE]: 't', ...roles }, keysDigest: 'k' });

describe('planRepository', () => {
  const first = desired({ 'product-a': '1' });
  const head = carryOut(undefined, planRepository(undefined, first, lifetimes, 0), first, 0);

  it('signs everything at first, the top role last', () =>
    expect(planRepository(undefined, first, lifetimes, 0)).toEqual({
      roles: ['product-a', TOP_ROLE],
      snapshot: true,
      timestamp: true,
    }));

  it('has nothing to do when nothing changed', () =>
    expect(isIdle(planRepository(head, first, lifetimes, 1))).toBe(true));

  it('signs only the role that changed', () =>
    expect(planRepository(head, desired({ 'product-a': '2' }), lifetimes, 1)).toEqual({
      roles: ['product-a'],
      snapshot: true,
      timestamp: true,
    }));

  it.each([
    [4, { roles: [], snapshot: false, timestamp: false }],
    [5, { roles: [], snapshot: false, timestamp: true }],
    [50, { roles: [], snapshot: true, timestamp: true }],
    [500, { roles: ['product-a', TOP_ROLE], snapshot: true, timestamp: true }],
  ])('renews what has lived half its life at %d', (now, plan) =>
    expect(planRepository(head, first, lifetimes, now)).toEqual(plan),
  );

  it('signs snapshot and timestamp anew when their keys are others', () =>
    expect(planRepository(head, { ...first, keysDigest: 'k2' }, lifetimes, 1)).toEqual({
      roles: [],
      snapshot: true,
      timestamp: true,
    }));

  it('says when it wants to look again', () => expect(nextRenewalAt(head, lifetimes)).toBe(5));
  it('remembers whom it delegated to', () => expect(delegatedProducts(head)).toEqual(['a']));

  it('keeps what clients have seen growing, and nothing expires, whatever is published when', () => {
    const step = fc.record({
      waitMs: fc.nat({ max: 5 }),
      product: fc.constantFrom('product-a', 'product-b', 'product-c'),
      digest: fc.constantFrom('1', '2', '3'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        let [now, state, want] = [0, head, first];
        for (const { waitMs, product, digest } of steps) {
          now += waitMs;
          want = desired({ ...want.roles, [product]: digest });
          const plan = planRepository(state, want, lifetimes, now);
          const next = isIdle(plan) ? state : carryOut(state, plan, want, now);
          checkGrowth(state, next);
          expect(Object.entries(want.roles).every(([role, d]) => next.roles[role]?.digest === d)).toBe(true);
          expect(next.timestamp.expiresAt > now && next.snapshot.expiresAt > now).toBe(true);
          state = next;
        }
      }),
    );
  });
});

function checkGrowth(before: RepositoryHead, after: RepositoryHead): void {
  expect(after.timestamp.version).toBeGreaterThanOrEqual(before.timestamp.version);
  expect(after.snapshot.version).toBeGreaterThanOrEqual(before.snapshot.version);
  for (const [role, signed] of Object.entries(before.roles)) {
    expect(after.roles[role]?.version).toBeGreaterThanOrEqual(signed.version);
  }
}
