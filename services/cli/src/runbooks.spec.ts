import { CommanderError, type Command } from 'commander';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCommands } from './program.js';
import { createTestIo } from './testing/test-io.js';
import { commandsInMessages, commandsOnPage, wordsOf } from './testing/written-commands.js';

/*
 * Whoever is woken types what the page of the alert or the doctor says, and has no time to look for the option that is missing: the program takes
 * each command as it stands there. Other messages may name a command only.
 */

const ROOT = join(__dirname, '../../..');
const PAGES = ['*.md', 'deploy/**/*.md', '{libs,services}/*/*.md'];
const DOCTOR = ['services/cli/src/doctor/*.ts'];
const MESSAGES = ['{libs,services}/*/src/**/*.ts'];

const PLACEHOLDER = /^(?:…|[A-Z][A-Z0-9_-]*|<[^>]+>)$/;
const SHOWS_SOMETHING = ['commander.help', 'commander.helpDisplayed', 'commander.version'];

/** Undefined: it would be carried out. */
function refusalOf(words: readonly string[]): string | undefined {
  const { program } = createCommands(createTestIo({}));
  disarm(program);
  try {
    program.parse(words, { from: 'user' });
    return undefined;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return SHOWS_SOMETHING.includes(error.code) ? undefined : error.message;
  }
}

/** Nothing is done, and a placeholder stands for any of the choices. */
function disarm(command: Command): void {
  for (const child of command.commands) disarm(child);
  if (command.commands.length > 0) return;
  command.action(() => {});
  for (const option of command.options) {
    const parse = option.parseArg;
    if (parse) option.argParser((value, before) => (PLACEHOLDER.test(value) ? value : parse(value, before)));
  }
}

/** `lastcall run cancel`, and nothing after it. */
function isName(words: readonly string[]): boolean {
  let command: Command | undefined = createCommands(createTestIo({})).program;
  for (const word of words) command = command?.commands.find((child) => child.name() === word);
  return command !== undefined;
}

interface Written {
  readonly file: string;
  readonly command: string;
}

const written = (globs: readonly string[], commandsIn: (text: string) => string[]): Written[] =>
  globSync(globs, { cwd: ROOT })
    .toSorted()
    .filter((file) => !file.endsWith('.spec.ts'))
    .flatMap((file) => commandsIn(readFileSync(join(ROOT, file), 'utf8')).map((command) => ({ file, command })));

const argumentsOf = (command: string): string[] => wordsOf(command).slice(1);

describe('is taken as it stands', () => {
  const all = [...written(PAGES, commandsOnPage), ...written(DOCTOR, commandsInMessages)];
  it.each(all)('$file: $command', ({ command }) => expect(refusalOf(argumentsOf(command))).toBeUndefined());
});

describe('is taken, or names a command', () => {
  it.each(written(MESSAGES, commandsInMessages))('$file: $command', ({ command }) => {
    const words = argumentsOf(command);
    expect(isName(words) ? undefined : refusalOf(words)).toBeUndefined();
  });
});

it.each([
  ['lastcall gate open -i berlin', "error: required option '--reason <text>' not specified"],
  ['lastcall job show -i berlin', "error: missing required argument 'job'"],
  ['lastcall run cancel --reason x --because now', "error: unknown option '--because'"],
  ['lastcall run interrupt', "error: unknown command 'interrupt'"],
  ['lastcall everything', "error: unknown command 'everything'"],
  ['lastcall run list berlin', "error: too many arguments for 'list'. Expected 0 arguments but got 1: berlin."],
])('%s is not: %s', (command, refusal) => expect(refusalOf(argumentsOf(command))).toBe(refusal));

it('finds them beside what a shell and a page put around them', () => {
  const page = [
    'Ask `npx lastcall doctor`, or `lastcall run\nreport`.',
    '```sh',
    'token=$(npx lastcall host join-token srv1 --role server)  # once',
    'lastcall up &',
    'lastcall wave create a \\',
    '  --stage 5%      begins',
    'helm install lastcall chart',
    '```',
  ].join('\n');
  expect(commandsOnPage(page)).toEqual([
    'lastcall host join-token srv1 --role server',
    'lastcall up',
    'lastcall wave create a --stage 5%',
    'lastcall doctor',
    'lastcall run report',
  ]);
});
