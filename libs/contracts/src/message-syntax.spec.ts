import { messageProblem, type Placeholders } from './message-syntax.js';

const placeholders: Placeholders = { product: 'text', minutes: 'number', start: 'date', hasVersion: 'choice' };
const problem = (text: string) => messageProblem(text, placeholders);

describe('a message', () => {
  it.each([
    ['plain text', ''],
    ['Save your work.', ''],
    ["Don't panic, it's only Encore", ''],
    ['{product}, { product }', ''],
    ['{start}, {start, date}, {start, date, full} {start,time,short} {start, date, ::yyyyMMMd}', ''],
    ['{minutes} {minutes, number} {minutes, number, integer}', ''],
    ['{minutes, plural, =0 {now} one {in # minute} other {in # minutes}}', ''],
    ['{minutes, plural, offset:1 one {{product} and one} other {#}}', ''],
    ['{hasVersion, select, yes {to {start, date}} other {}}', ''],
    ["'{'product'}' and '' and '{braces} that are quoted'", ''],
    ['<b>tags are text</b>', ''],
  ])('may be %s', (text) => {
    expect(problem(text)).toBeUndefined();
  });

  it.each([
    ['{product', 'needs a , after {product (at character 9)'],
    ['product}', "has a } without its {; write '}' for the sign itself (at character 8)"],
    ['{}', 'has {} without a name in it (at character 2)'],
    ['{producer}', 'names {producer}; known here are product, minutes, start, hasVersion (at character 10)'],
    ['{constructor}', 'names {constructor}; known here are product, minutes, start, hasVersion (at character 13)'],
    ['{product, date}', 'has {product, date, but product is a text (at character 15)'],
    ['{start, number}', 'has {start, number, but start is a date (at character 15)'],
    ['{start, datum, short}', 'has {start, datum; formats are number, plural, selectordinal, date, time, select'],
    ['{start, date, ::YYYY}', 'has {start, date, ::YYYY}; styles are short, medium, long, full'],
    ['{start, date, lengthy}', 'has {start, date, lengthy}; styles are short, medium, long, full'],
    ['{start, date, }', 'has {start, date, }; styles are short, medium, long, full'],
    ['{minutes, plural, one {x}}', 'has no case other in {minutes, plural'],
    ['{minutes, plural, uno {x} other {y}}', 'has "uno" as a case of {minutes, plural'],
    ['{minutes, plural, one {x} one {z} other {y}}', 'has the case one of {minutes, plural twice'],
    ['{minutes, plural, other y}', 'needs a { after the case other of {minutes, plural'],
    ['{hasVersion, select, other {x}', 'has "" as a case of {hasVersion, select'],
    ['{hasVersion, select, other {x', 'has a { without its }'],
    ["'{ not closed", "has an apostrophe that quotes a brace and is not closed; '' is one"],
    ['{product,}', 'has {product, ; formats are number'],
  ])('may not be %s', (text, description) => {
    expect(problem(text)).toContain(description);
  });

  it('is refused when it is nested without end, and takes no time', () => {
    const deep = '{hasVersion, select, other {'.repeat(200) + '}}'.repeat(200);
    expect(problem(deep)).toContain('has braces more than 8 deep');
    expect(problem('{'.repeat(2_000))).toContain('without a name');
    expect(problem("'".repeat(1_999))).toBeUndefined();
  });
});
