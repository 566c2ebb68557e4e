import { cutAtWord } from './spec.js';

describe('a text that is too long', () => {
  it.each([
    ['is kept when it fits', '  ten chars ', 10, 'ten chars'],
    ['is cut at a word', 'one two three', 9, 'one two…'],
    ['keeps a word that just fits', 'one two three', 8, 'one two…'],
    ['does not end in a half word', 'one twothree', 8, 'one…'],
    ['is cut anywhere when it is one word', 'x'.repeat(20), 10, `${'x'.repeat(9)}…`],
    ['keeps its lines', 'one\ntwo\nthree four', 12, 'one\ntwo…'],
  ])('%s', (_, text, max, expected) => {
    expect(cutAtWord(text, max)).toBe(expected);
    expect(cutAtWord(text, max).length).toBeLessThanOrEqual(max);
  });
});
