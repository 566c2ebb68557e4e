/*
 * Command lines that a page or a message tells somebody to type. On a page they stand in code, alone on a line or in a sentence; in a message in
 * double quotes. What a shell does around them (a variable, `npx`, a pipe, a comment) is left out.
 */

/** Of Markdown. */
export function commandsOnPage(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```\w*\n(.*?)^ *```/gms)].map(([, block = '']) => block);
  const prose = text.replace(/^ *```.*?^ *```/gms, '');
  const spans = [...prose.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span.replace(/\s+/g, ' '));
  const lines = blocks.flatMap((block) => block.replace(/\s*\\\n\s*/g, ' ').split('\n')).map(withoutComment);
  return unique([...lines, ...spans].flatMap(commandIn));
}

/** Of source: an inserted value becomes a placeholder. */
export function commandsInMessages(source: string): string[] {
  const text = source.replace(/\$\{[^}]*\}/g, 'VALUE');
  return unique([...text.matchAll(/"(lastcall [a-z][^"\n]*)"/g)].map(([, command = '']) => command));
}

/** As a shell splits them; `[--what may be left out]` counts as written. */
export const wordsOf = (command: string): string[] =>
  (command.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? []).map((word) => word.replace(/["']|^\[|\]$/g, ''));

const unique = (commands: readonly string[]): string[] => [...new Set(commands)];

/** Pages put what a command does behind it, after `#` or after a gap. */
const withoutComment = (line: string): string => line.trim().replace(/\s#\s.*$|\s{2,}.*$/, '');

function commandIn(text: string): string[] {
  const [, command] = /^(?:\$ |npx |sudo |\w+=\S+ |\w+=\$\()*(lastcall [a-z][^|;)&>]*)/.exec(text) ?? [];
  return command === undefined ? [] : [command.trim()];
}
