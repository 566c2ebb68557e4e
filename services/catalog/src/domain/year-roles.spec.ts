import fc from 'fast-check';
import {
  MAX_ROLE_TARGETS,
  pathsOf,
  placeReleases,
  productOfYearRole,
  yearRole,
  type PlaceableRelease,
} from './year-roles.js';

const release = (version: string, year = 2026, targets = 2): PlaceableRelease => ({ version, year, targets });

/** Whether a pattern of paths matches, as clients compare: part by part, `*` for anything. */
function matches(pattern: string, path: string): boolean {
  const [p, q] = [pattern.split('/'), path.split('/')];
  const part = (text: string): RegExp => new RegExp(`^${text.replaceAll(/[.+]/g, '\\$&').replaceAll('*', '.*')}$`);
  return p.length === q.length && p.every((text, i) => part(text).test(q[i] ?? ''));
}

function rolesFor(placement: ReturnType<typeof placeReleases>, version: string): string[] {
  const paths = pathsOf('encore', placement);
  return [...paths].filter(([, list]) => list.some((p) => matches(p, `encore/${version}/x`))).map(([role]) => role);
}

describe('roles of a year', () => {
  it('are named so that no two products meet', () => {
    const ids = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?$/);
    const role = fc.record({ product: ids, year: fc.integer({ min: 2000, max: 2999 }), part: fc.integer({ min: 1, max: 999 }) }); // prettier-ignore
    fc.assert(
      fc.property(role, ({ product, year, part }) => {
        expect(productOfYearRole(yearRole(product, year, part))).toBe(product);
      }),
    );
    expect(productOfYearRole('product-releases-2026-1-encore')).toBeUndefined();
    expect(yearRole('1-encore', 2026, 1)).not.toBe(yearRole('encore', 2026, 1));
  });

  it('take the releases of their year, and one more when they are full', () => {
    const many = Array.from({ length: 130 }, (_, i) => release(`1.${i}.0`));
    const placed = placeReleases('encore', [...many, release('0.9.0', 2025)], new Map());
    expect([...placed].map(([role, versions]) => [role, versions.length])).toEqual([
      ['releases-2026-1-encore', MAX_ROLE_TARGETS / 2],
      ['releases-2026-2-encore', 130 - MAX_ROLE_TARGETS / 2],
      ['releases-2025-1-encore', 1],
    ]);
  });

  it('leave a release where it is signed, and fill the place of one that went', () => {
    const before = new Map([['1.1.0', 'releases-2025-2-encore']]);
    const placed = placeReleases('encore', [release('1.1.0', 2025), release('1.2.0', 2025)], before);
    expect(placed.get('releases-2025-2-encore')).toEqual(['1.1.0']);
    expect(placed.get('releases-2025-1-encore')).toEqual(['1.2.0']);
  });

  it('share a pattern for a line of versions, until one stands elsewhere', () => {
    const line = [release('1.1.0', 2025), release('1.1.1', 2025), release('1.2.0', 2025)];
    const one = placeReleases('encore', line, new Map());
    expect(pathsOf('encore', one).get('releases-2025-1-encore')).toEqual(['encore/1.1.*/*', 'encore/1.2.*/*']);
    const two = placeReleases('encore', [...line, release('1.1.2', 2026)], new Map());
    expect(pathsOf('encore', two).get('releases-2025-1-encore')).toEqual(['encore/1.1.0/*', 'encore/1.1.1/*', 'encore/1.2.*/*']); // prettier-ignore
    expect(pathsOf('encore', two).get('releases-2026-1-encore')).toEqual(['encore/1.1.2/*']);
  });

  it('lead to exactly the role that has the release, whatever was published and withdrawn', () => {
    const version = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(12)).map((parts) => parts.join('.'));
    const one = fc.record({ version, year: fc.integer({ min: 2024, max: 2026 }), targets: fc.integer({ min: 2, max: 33 }) }); // prettier-ignore
    const some = fc.uniqueArray(one, { selector: (r) => r.version, maxLength: 60 });
    fc.assert(
      fc.property(some, some, (first, second) => {
        const placedFirst = placeReleases('encore', first, new Map());
        const before = new Map([...placedFirst].flatMap(([role, versions]) => versions.map((v) => [v, role] as const)));
        const stayed = first.filter((r, i) => i % 3 > 0);
        const versions = new Set(first.map((r) => r.version));
        const now = [...stayed, ...second.filter((r) => !versions.has(r.version))];
        const placed = placeReleases('encore', now, before);
        for (const { version: v } of now) {
          expect(rolesFor(placed, v)).toEqual([...placed].filter(([, list]) => list.includes(v)).map(([role]) => role));
          if (before.has(v)) expect(placed.get(before.get(v) ?? '')).toContain(v);
        }
        const sizes = new Map(now.map((r) => [r.version, r.targets]));
        for (const list of placed.values()) {
          expect(list.reduce((sum, v) => sum + (sizes.get(v) ?? 0), 0)).toBeLessThanOrEqual(MAX_ROLE_TARGETS);
        }
      }),
      { numRuns: 60 },
    );
  });
});
