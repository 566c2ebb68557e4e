import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openUpdates } from './open-updates.js';
import type { UpdateState } from './updates-api.js';

/*
 * The application's side of the conversation with the agent program, with programs that are not what they should be.
 */

const folder = mkdtempSync(join(tmpdir(), 'lastcall-sdk-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const STATE = { said: 'state', phase: 'resting', installedVersion: '11.0.0' };

/** A program that does this for each command, `id` being its number. */
function programThat(does: string): readonly string[] {
  const file = join(folder, 'program.js');
  writeFileSync(
    file,
    `const say = (value) => process.stdout.write(typeof value === 'string' ? value : JSON.stringify(value) + '\\n');
     require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
       const { id } = JSON.parse(line);
       ${does}
     });`,
  );
  return [process.execPath, file];
}

it('passes over lines that say nothing to it', async () => {
  const states: UpdateState[] = [];
  const program = programThat(`
    say('starting\\n{"said":"sta\\nnull\\n7\\n');
    say(${JSON.stringify(STATE)});
    say({ said: 'answer', to: id });`);
  const updates = openUpdates({ folder, program, onState: (state) => states.push(state) });
  expect(await updates.refresh()).toMatchObject({ phase: 'resting', installedVersion: '11.0.0' });
  expect(states).toHaveLength(1);
  await updates.close();
});

it('rejects what a program that ends has not answered, and starts it again for what is asked next', async () => {
  const updates = openUpdates({ folder, program: programThat('process.exit(3);') });
  await expect(updates.refresh()).rejects.toMatchObject({
    reason: 'PROGRAM_ENDED',
    message: expect.stringMatching(/3/),
  });
  programThat(`say(${JSON.stringify(STATE)}); say({ said: 'answer', to: id });`);
  expect(await updates.refresh()).toMatchObject({ phase: 'resting' });
  await updates.close();
});

it('says what is wrong with a seat that names no program', async () => {
  for (const program of [[], 'agent', undefined]) {
    writeFileSync(join(folder, 'seat.json'), JSON.stringify({ program }));
    await expect(openUpdates({ folder }).refresh()).rejects.toMatchObject({ reason: 'NO_SEAT' });
  }
});
