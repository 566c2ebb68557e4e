import { checkTemplate, sessionV1 } from '@lastcall/contracts';
import fc from 'fast-check';
import { isUsable } from './render.js';

/* What the catalog accepts can be formatted; otherwise users would get other texts than those that somebody wrote. */

const piece = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom('{', '}', "'", ',', '#', '<b>', '</b>', ' ', '\n', 'é', '😀', '|', ':', '='),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      'product',
      'deadline',
      'minutes',
      'hasVersion',
      'start',
      'select',
      'plural',
      'date',
      'time',
    ),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      '{product}',
      '{ deadline }',
      '{deadline, time, short}',
      '{deadline,date,::EEEyyyyMMMMdd}',
      '{minutes, number, integer}',
      '{minutes, number, percent}',
      '{minutes, selectordinal, one {#st} other {#th}}',
      "'{'",
      "''",
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 5 }) },
);
const text = fc.array(piece, { minLength: 1, maxLength: 12 }).map((pieces) => pieces.join(''));
const inCases = fc.tuple(fc.constantFrom('plural', 'selectordinal', 'select'), text, text).map(([format, a, b]) => {
  const [name, selector] = format === 'select' ? ['hasVersion', 'yes'] : ['minutes', '=1'];
  return `{${name}, ${format}, ${selector} {${a}} other {${b}}}`;
});
const whole = fc.array(fc.oneof(text, inCases), { minLength: 1, maxLength: 3 }).map((parts) => parts.join(''));

it('is accepted only when it can be formatted', () => {
  let accepted = 0;
  fc.assert(
    fc.property(whole, (message) => {
      const kind = sessionV1.NoticeKind.LOGOFF;
      if (checkTemplate('template', { kind, language: 'de', text: message }) !== undefined) return;
      accepted++;
      expect(isUsable({ kind: 'logoff', language: 'de', text: message })).toBe(true);
    }),
    { numRuns: 20_000 },
  );
  expect(accepted).toBeGreaterThan(1_000);
});
