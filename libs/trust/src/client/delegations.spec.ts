import fc from 'fast-check';
import { sha256Hex } from '@lastcall/kernel';
import { findDelegations, matchesPattern, rolesBelow } from './delegations.js';

describe('a pattern of a delegation', () => {
  it.each([
    ['encore/1.0.0/lastcall.yaml', 'encore/*/*', true],
    ['encore/1.0.0/lastcall.yaml', 'encore/*', false],
    ['encore/1.0.0/lastcall.yaml', '*', false],
    ['encore/1.0.0', 'encore/1.?.0', true],
    ['encore/1.10.0', 'encore/1.?.0', false],
    ['encore/.hidden/a', 'encore/*/*', true],
    ['encore/a', 'Encore/a', false],
    ['a-b-c', '*-*', true],
    ['abc', 'a*c*', true],
    ['abc', 'a*d', false],
    ['a', 'a*', true],
    ['', '*', true],
    ['a+b', 'a+b', true],
    ['aab', 'a+b', false],
    ['#a', '#a', true],
  ])('%s %s: %s', (path, pattern, expected) => {
    expect(matchesPattern(path, pattern)).toBe(expected);
  });

  it('means what the words say, for any name and pattern', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?', '/'), maxLength: 12 });
    fc.assert(
      fc.property(letters, letters, (path, pattern) => {
        const source = [...pattern].map((c) =>
          c === '*' ? '[^/]*' : c === '?' ? '[^/]' : `\\${c}`.replace(/\\([ab])/, '$1'),
        );
        expect(matchesPattern(path, pattern)).toBe(new RegExp(`^${source.join('')}$`).test(path));
      }),
      { numRuns: 2_000 },
    );
  });

  it('of many stars takes no longer for it', () => {
    const startedAt = Date.now();
    expect(matchesPattern('a'.repeat(1_000), `${'a*'.repeat(200)}b`)).toBe(false);
    expect(Date.now() - startedAt).toBeLessThan(1_000);
  });
});

describe('delegations', () => {
  const role = (name: string, paths: string[], terminating = false) => ({ [name]: { name, paths, terminating } });
  const roles = { ...role('a', ['x/*']), ...role('b', ['x/?'], true), ...role('c', ['x/*']), ...role('d', ['y/*']) };

  it('are asked in their order, up to the first that ends it', () => {
    expect(findDelegations({ roles }, 'x/1')).toEqual([
      { role: 'a', terminating: false },
      { role: 'b', terminating: true },
    ]);
    expect(findDelegations({ roles }, 'x/12').map((found) => found.role)).toEqual(['a', 'c']);
    expect(findDelegations(undefined, 'x/1')).toEqual([]);
  });

  it('by the hash of the path', () => {
    const prefix = sha256Hex('x/1').slice(0, 3);
    const byHash = (pathHashPrefixes: string[]) => ({
      roles: { h: { name: 'h', terminating: false, pathHashPrefixes } },
    });
    expect(findDelegations(byHash(['zzz', prefix]), 'x/1')).toHaveLength(1);
    expect(findDelegations(byHash([]), 'x/1')).toEqual([]);
  });

  it('that may know something of a folder', () => {
    expect(rolesBelow({ roles }, 'x')).toEqual(['a', 'b', 'c']);
    expect(rolesBelow({ roles: { h: { name: 'h', terminating: false, pathHashPrefixes: ['ab'] } } }, 'x')).toEqual([
      'h',
    ]);
  });
});
