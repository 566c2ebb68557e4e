/*
 * Whether a text is a message in ICU format that uses only what is known of a notice. Checks what people get wrong (braces, names,
 * kinds of format); the library that formats it is the session service's, and is asked again there.
 *
 * Owns no formatting and knows no languages. What it accepts can be formatted.
 */

export type PlaceholderKind = 'text' | 'number' | 'date' | 'choice';

/** What each placeholder is, by name. */
export type Placeholders = Readonly<Partial<Record<string, PlaceholderKind>>>;

const MAX_DEPTH = 8;
/** Formats by what they take. */
const FORMATS: Readonly<Partial<Record<string, readonly PlaceholderKind[]>>> = {
  number: ['number'],
  plural: ['number'],
  selectordinal: ['number'],
  date: ['date'],
  time: ['date'],
  select: ['text', 'choice', 'number'],
};
const PLURALS: ReadonlySet<string> = new Set(['zero', 'one', 'two', 'few', 'many', 'other']);
const NUMBER_STYLE = /^(integer|percent)?$/;
/** Names of styles, and skeletons of the fields that every runtime formats. */
const DATE_STYLE =
  /^(short|medium|long|full|::(G|y{1,4}|M{1,5}|d{1,2}|E{1,4}|a|h{1,2}|H{1,2}|m{1,2}|s{1,2}|z{1,4})+)?$/;

/** What is wrong with it, in words that follow its field's name; undefined: nothing. */
export function messageProblem(text: string, placeholders: Placeholders): string | undefined {
  const reader = new Reader(text, placeholders);
  try {
    reader.message(0, false);
    return undefined;
  } catch (error) {
    if (error instanceof Problem) return `${error.message} (at character ${reader.position + 1})`;
    throw error;
  }
}

class Problem extends Error {
  override readonly name = 'Problem';
}

class Reader {
  position = 0;

  constructor(
    private readonly text: string,
    private readonly placeholders: Placeholders,
  ) {}

  /** Up to the end, or to the brace that closes it. */
  message(depth: number, inPlural: boolean): void {
    if (depth > MAX_DEPTH) throw new Problem(`has braces more than ${MAX_DEPTH} deep`);
    while (this.position < this.text.length) {
      const char = this.text[this.position];
      if (char === "'") this.apostrophe(inPlural);
      else if (char === '{') this.placeholder(depth);
      else if (char === '}') {
        if (depth === 0) throw new Problem("has a } without its {; write '}' for the sign itself");
        return;
      } else this.position++;
    }
    if (depth > 0) throw new Problem('has a { without its }');
  }

  /** Two are one; one before a brace quotes up to the next one; any other is itself. */
  private apostrophe(inPlural: boolean): void {
    const next = this.text[this.position + 1] ?? '';
    if (next === "'") {
      this.position += 2;
      return;
    }
    const quotes = next !== '' && ('{}<>'.includes(next) || (inPlural && next === '#'));
    if (!quotes) {
      this.position++;
      return;
    }
    let end = this.position + 2;
    while (end < this.text.length && !(this.text[end] === "'" && this.text[end + 1] !== "'")) {
      end += this.text[end] === "'" ? 2 : 1;
    }
    if (end >= this.text.length)
      throw new Problem("has an apostrophe that quotes a brace and is not closed; '' is one");
    this.position = end + 1;
  }

  private placeholder(depth: number): void {
    this.position++;
    const name = this.word();
    const kind = Object.hasOwn(this.placeholders, name) ? this.placeholders[name] : undefined;
    if (kind === undefined) {
      const known = Object.keys(this.placeholders).join(', ');
      throw new Problem(name === '' ? 'has {} without a name in it' : `names {${name}}; known here are ${known}`);
    }
    if (this.take('}')) return;
    this.expect(',', `after {${name}`);
    const format = this.word();
    const takes = FORMATS[format];
    if (!takes) throw new Problem(`has {${name}, ${format}; formats are ${Object.keys(FORMATS).join(', ')}`);
    if (!takes.includes(kind)) throw new Problem(`has {${name}, ${format}, but ${name} is a ${kind}`);
    if (format === 'select') this.cases(depth, `{${name}, select`, false);
    else if (format === 'plural' || format === 'selectordinal') this.cases(depth, `{${name}, ${format}`, true);
    else this.style(name, format);
  }

  private style(name: string, format: string): void {
    if (this.take('}')) return;
    this.expect(',', `after {${name}, ${format}`);
    const from = this.position;
    while (this.position < this.text.length && this.text[this.position] !== '}') this.position++;
    const style = this.text.slice(from, this.position).trim();
    const known = format === 'number' ? NUMBER_STYLE : DATE_STYLE;
    if (style === '' || !known.test(style)) {
      const allowed = format === 'number' ? 'integer, percent' : 'short, medium, long, full';
      throw new Problem(`has {${name}, ${format}, ${style.slice(0, 40)}}; styles are ${allowed}`);
    }
    this.expect('}', `after {${name}, ${format}, ${style}`);
  }

  private cases(depth: number, head: string, plural: boolean): void {
    this.expect(',', `after ${head}`);
    const seen = new Set<string>();
    for (let first = true; !this.take('}'); first = false) {
      const selector = this.selector();
      if (plural && first && /^offset:\d{1,3}$/.test(selector)) continue;
      const fits = plural ? PLURALS.has(selector) || /^=\d{1,6}$/.test(selector) : /^\w+$/.test(selector);
      if (!fits) throw new Problem(`has ${JSON.stringify(selector.slice(0, 40))} as a case of ${head}`);
      if (seen.has(selector)) throw new Problem(`has the case ${selector} of ${head} twice`);
      seen.add(selector);
      this.expect('{', `after the case ${selector} of ${head}`);
      this.message(depth + 1, plural);
      this.expect('}', `after the case ${selector} of ${head}`);
    }
    if (!seen.has('other')) throw new Problem(`has no case other in ${head}`);
  }

  private selector(): string {
    this.space();
    const from = this.position;
    while (this.position < this.text.length && !/[\s{}]/.test(this.text[this.position] ?? '')) this.position++;
    const selector = this.text.slice(from, this.position);
    this.space();
    return selector;
  }

  private word(): string {
    this.space();
    const from = this.position;
    while (this.position < this.text.length && /\w/.test(this.text[this.position] ?? '')) this.position++;
    const word = this.text.slice(from, this.position);
    this.space();
    return word;
  }

  private space(): void {
    while (this.position < this.text.length && /\s/.test(this.text[this.position] ?? '')) this.position++;
  }

  private take(char: string): boolean {
    this.space();
    if (this.text[this.position] !== char) return false;
    this.position++;
    return true;
  }

  /** No space before a brace that begins or ends a text: it belongs to nobody there. */
  private expect(char: string, where: string): void {
    if (this.text[this.position] !== char) throw new Problem(`needs a ${char} ${where}`);
    this.position++;
  }
}
