/* Text for terminals. What comes from elsewhere is shown, never obeyed: control characters do not get through. */

// eslint-disable-next-line no-control-regex -- they are what is taken out
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/gu;

/** The text without anything that moves the cursor or hides text. Line breaks and tabs stay. */
export function safe(text: string): string {
  return text.replace(CONTROL, '\ufffd');
}

/** The same on one line. */
export function oneLine(text: string): string {
  return safe(text).replace(/\s+/g, ' ').trim();
}

const EMPTY = '-';

/** Columns under their headings; a note when there are no rows. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[], none = 'none'): string {
  if (rows.length === 0) return `${none}\n`;
  const cells = rows.map((row) => row.map((cell) => oneLine(cell) || EMPTY));
  const widths = headings.map((h, i) => Math.max(h.length, ...cells.map((row) => [...(row[i] ?? '')].length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => cell + ' '.repeat(Math.max(0, (widths[i] ?? 0) - [...cell].length)))
      .join('  ')
      .trimEnd();
  return [headings.map(capitals), ...cells].map((row) => `${line(row)}\n`).join('');
}

/** All but what stands in brackets: the name of a zone is written as it is. */
function capitals(heading: string): string {
  return heading.replace(/^[^(]*/, (text) => text.toUpperCase());
}

/** One thing: a label and its value a line. Empty values are left out. */
export function fields(pairs: readonly (readonly [label: string, value: string | undefined])[]): string {
  const there = pairs.filter((pair): pair is readonly [string, string] => Boolean(pair[1]));
  const width = Math.max(...there.map(([label]) => label.length));
  const indent = ' '.repeat(width + 2);
  return there
    .map(([label, value]) => `${label.padEnd(width)}  ${safe(value).trimEnd().replaceAll('\n', `\n${indent}`)}\n`)
    .join('');
}

/** `1.4 MiB`. */
export function bytes(count: number | bigint): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = Number(count);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}

/** `1 host`, `3 hosts`. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${n} ${n === 1 ? one : many}`;
}
