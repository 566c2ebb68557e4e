import { createDefenderProvider, defenderFacts, parseDefender } from './defender.js';

const ANSWER = JSON.stringify({
  enabled: true,
  paths: ['C:\\ProgramData\\Lastcall\\data', 'D:\\Encore\\bookings.db'],
  processes: ['C:\\ProgramData\\Lastcall\\current\\encore.exe', 'helper.exe'],
});
const signal = new AbortController().signal;
const demanded = {
  folders: ['c:/programdata/lastcall/data', 'C:\\ProgramData\\Lastcall\\data\\sub', 'C:\\ProgramData\\Lastcall'],
  files: ['D:\\encore\\BOOKINGS.db'],
  processes: ['C:\\x\\helper.exe', 'encore.exe'],
};

describe('Microsoft Defender', () => {
  it('compares as Windows does', async () => {
    const asked: (readonly string[])[] = [];
    const provider = createDefenderProvider('win32', async (args) => {
      asked.push(args);
      return ANSWER;
    });
    const answer = await provider.inspect(demanded, signal);
    const present = answer.kind === 'found' ? answer.facts.exceptions.map((e) => e.present) : [];
    expect(present).toEqual([true, true, false, true, true, false]);
    // Nothing of the manifest is in what PowerShell gets.
    expect(asked.flat().join(' ')).not.toMatch(/encore|helper/i);
  });

  it('is unknown without the rights to look, or without an answer', async () => {
    const hidden = '{"enabled":true,"paths":["N/A: Must be an administrator to view exclusions"],"processes":[]}';
    const refused = await createDefenderProvider('win32', async () => hidden).inspect(demanded, signal);
    expect(refused).toMatchObject({ kind: 'unknown', why: expect.stringContaining('administrator') });
    const broken = await createDefenderProvider('win32', async () => 'oops').inspect(demanded, signal);
    expect(broken.kind).toBe('unknown');
  });

  it('is absent where it is switched off, and on other systems', async () => {
    expect(parseDefender('{"enabled":false}')).toBe('disabled');
    const never = async (): Promise<string> => Promise.reject(new Error('not asked'));
    expect((await createDefenderProvider('linux', never).inspect(demanded, signal)).kind).toBe('absent');
  });

  it('needs no exceptions when none are demanded', () =>
    expect(defenderFacts({ paths: [], processes: [] }, { folders: [], files: [], processes: [] }).exceptions).toEqual(
      [],
    ));
});
