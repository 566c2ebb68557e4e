import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createProgram } from './program.js';
import { createTestIo } from './testing/test-io.js';

/* Whoever is woken types what the page of the alert says: every command in it is there. */

const RUNBOOKS = join(__dirname, '../../../deploy/runbooks');
const DOCTOR = join(__dirname, 'doctor');

const read = (folder: string): string =>
  readdirSync(folder)
    .filter((file) => !file.endsWith('.spec.ts'))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .join('\n');

const commandsIn = (text: string): string[] => [
  ...new Set([...text.matchAll(/[`"](lastcall [a-z][a-z -]*[a-z])/g)].map(([, command = '']) => command)),
];

it.each(commandsIn(read(RUNBOOKS) + read(DOCTOR)))('there is %s', async (command) => {
  const io = createTestIo({});
  const words = command
    .split(' ')
    .slice(1, 3)
    .filter((word) => !word.startsWith('-'));
  expect(await createProgram(io).run([...words, '--help'])).toBe(0);
  // Help of the noun is all that an unknown verb gets.
  expect(io.out.text).toContain(`Usage: lastcall ${words.join(' ')} `);
});
