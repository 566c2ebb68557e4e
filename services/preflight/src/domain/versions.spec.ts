import { isAtLeast } from './versions.js';

describe('isAtLeast', () => {
  it.each([
    ['11.10.0', '11.9.0', true],
    ['11.0.0', '11.0.0', true],
    ['11.0.0', '11.0.1', false],
    ['6.1.0-18-amd64', '6.1', true],
    ['6.1.0-18-amd64', '6.2', false],
    ['10.0.22631', '10.0.19045', true],
    ['2.0.0-beta.1', '2.0.0', false],
    ['2.0.0', '2.0.0-beta.1', true],
    ['2.0.1-beta.1', '2.0.0', true],
    ['unreadable', '1.0.0', false],
  ])('%s is at least %s: %s', (version, demanded, expected) => expect(isAtLeast(version, demanded)).toBe(expected));
});
