import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ANTIVIRUS_FILE, createExecProvider, parseExecConfig } from './exec.js';

const DEMANDED = { folders: ['/data'], files: [], processes: ['encore'] };

describe('an antivirus product that a command knows', () => {
  let root = '';
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'lastcall-antivirus-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const never = new AbortController().signal;
  const inspect = (program: string, more: object = {}) => {
    const config = { run: [process.execPath, '-e', program], ...more };
    writeFileSync(join(root, ANTIVIRUS_FILE), JSON.stringify(config));
    return createExecProvider(root).inspect(DEMANDED, never);
  };
  const saying = (answer: unknown) => inspect(`console.log(${JSON.stringify(JSON.stringify(answer))})`);
  const folder = { kind: 'folder', value: '/data', present: true };
  const encore = { kind: 'process', value: 'encore', present: false };

  it('is absent without a file', async () =>
    expect(await createExecProvider(root).inspect(DEMANDED, never)).toEqual({ kind: 'absent' }));

  it('is asked for what the release demands, and believed', async () => {
    const program = `
      let text = '';
      process.stdin.on('data', (more) => (text += more)).on('end', () => {
        const { folders, processes } = JSON.parse(text);
        const set = (kind, present) => (value) => ({ kind, value, present });
        const exceptions = [...folders.map(set('folder', true)), ...processes.map(set('process', false))];
        console.log(JSON.stringify({ product: 'acme', source: 'acmectl', exceptions }));
      });`;
    const facts = { product: 'acme', source: 'acmectl', exceptions: [folder, encore] };
    expect(await inspect(program)).toEqual({ kind: 'found', facts });
  });

  it('may say that there is none', async () => expect(await saying({ product: 'none' })).toEqual({ kind: 'absent' }));

  it.each<[string, unknown, string]>([
    ['says nothing of a demanded exception', { product: 'acme', exceptions: [folder] }, 'nothing of process encore'],
    ['has no product', { exceptions: [folder, encore] }, 'no product'],
    ['has no list', { product: 'acme' }, 'needs exceptions'],
    ['has another form', { product: 'acme', exceptions: [{ ...folder, present: 'yes' }] }, 'present (true or false)'],
    ['is a list', [], 'must be a JSON object'],
  ])('is unknown when the answer %s', async (_, answer, why) =>
    expect(await saying(answer)).toEqual({ kind: 'unknown', why: expect.stringContaining(why) as string }),
  );

  it.each([
    ['no JSON', 'console.log("yes")', 'JSON'],
    ['an error', 'console.error("no licence"); process.exit(3)', 'no licence'],
    ['more than 1 MiB', 'process.stdout.write("x".repeat(2 ** 21))', 'maxBuffer'],
  ])('is unknown when the command ends with %s', async (_, program, why) =>
    expect(await inspect(program)).toEqual({ kind: 'unknown', why: expect.stringContaining(why) as string }),
  );

  it('is unknown when the command is too late', async () => {
    const answer = await inspect('setInterval(() => undefined, 1000)', { timeoutSeconds: 1 });
    expect(answer).toEqual({ kind: 'unknown', why: expect.stringContaining('its time was 1 s') as string });
  });

  it.each([
    '[]',
    '{}',
    '{"run":[]}',
    '{"run":"acmectl"}',
    '{"run":["a"],"timeoutSeconds":61}',
    '{"run":["a"],"shell":1}',
  ])('does not take the file %s', (text) => expect(() => parseExecConfig(text)).toThrow(/must be|unknown/));
});
