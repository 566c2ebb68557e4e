import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOrderBook } from '../domain/order-book.js';
import { openJournal } from '../journal.js';
import { layoutOf, makeFolders } from '../layout.js';
import { startLossyDisk } from '../testing/lossy-disk.js';
import { chooseProgram } from './choose-program.js';
import { beginProbation, countStart, endProbation, linkedIn, readProbation, STARTS_MAX } from './probation.js';
import { programReleases } from './program-folder.js';

describe('a new agent on probation', () => {
  let data: string;
  let dir: string;
  beforeEach(() => {
    data = mkdtempSync(join(tmpdir(), 'lastcall-probation-'));
    dir = join(data, 'program');
    for (const version of ['0.1.0', '0.2.0']) {
      mkdirSync(join(dir, 'versions', version, 'dist'), { recursive: true });
      writeFileSync(join(dir, 'versions', version, 'dist', 'main.js'), '');
    }
  });
  afterEach(() => rmSync(data, { recursive: true, force: true }));
  const lead = (version: string): void => {
    rmSync(join(dir, 'current'), { force: true });
    symlinkSync(join('versions', version), join(dir, 'current'));
  };
  const countStarts = async (times: number): Promise<void> => {
    for (let i = 0; i < times; i++) await countStart(dir);
  };

  it.each(['0.1.0', ''])('is followed by the one before (%j) when it was started too often', async (from) => {
    if (from !== '') lead(from);
    beginProbation(dir, '0.2.0');
    lead('0.2.0');
    await countStarts(STARTS_MAX);
    expect([linkedIn(dir), readProbation(dir)]).toEqual(['0.2.0', { version: '0.2.0', from, starts: STARTS_MAX }]);
    await countStart(dir);
    expect([linkedIn(dir), readProbation(dir)?.failed]).toEqual([from, true]);
    await countStart(dir);
    expect(linkedIn(dir)).toBe(from);
  });

  it('is not counted before the link leads to it, nor when it has settled', async () => {
    lead('0.1.0');
    beginProbation(dir, '0.2.0');
    await countStarts(STARTS_MAX + 1);
    expect(readProbation(dir)).toEqual({ version: '0.2.0', from: '0.1.0', starts: 0 });
    lead('0.2.0');
    endProbation(dir);
    endProbation(dir);
    await countStarts(STARTS_MAX + 1);
    expect(linkedIn(dir)).toBe('0.2.0');
  });

  it('goes back although the power went away between the record and the link', async () => {
    lead('0.1.0');
    beginProbation(dir, '0.2.0');
    lead('0.2.0');
    await countStarts(STARTS_MAX + 1);
    lead('0.2.0');
    await countStart(dir);
    expect(linkedIn(dir)).toBe('0.1.0');
  });

  it('is never linked without its record, whenever the power goes away, and never without its files', async () => {
    lead('0.1.0');
    for (const version of ['0.1.0', '0.2.0']) mkdirSync(join(dir, 'releases', version), { recursive: true });
    const layout = layoutOf(data);
    makeFolders(layout);
    const host = { installation: 'berlin', host: 'srv', product: 'encore' };
    openJournal(layout.journal, createOrderBook(host)).close();
    const disk = startLossyDisk(data);
    beginProbation(dir, '0.2.0');
    await programReleases({ program: dir }).swapTo('0.2.0');
    await countStarts(STARTS_MAX + 1);
    disk.stop();
    expect(disk.images.length).toBeGreaterThan(7);
    const linked = new Set<string>();
    for (const [i, image] of disk.images.entries()) {
      const after = mkdtempSync(join(tmpdir(), `lastcall-power-${i}-`));
      image.restoreTo(after);
      const program = join(after, 'program');
      const found = { about: `${image.after.kind} ${image.after.path}`, linked: linkedIn(program) };
      linked.add(found.linked);
      expect(['0.1.0', '0.2.0']).toContain(found.linked);
      if (found.linked === '0.2.0') expect({ ...found, ...readProbation(program) }).toMatchObject({ version: '0.2.0' });
      expect(await chooseProgram(['run', '--data', after])).toMatch(/dist\/main\.js$/);
      for (let start = 0; start < STARTS_MAX; start++) await countStart(program);
      expect({ ...found, linked: linkedIn(program) }).toEqual({ ...found, linked: '0.1.0' });
      rmSync(after, { recursive: true });
    }
    expect([...linked].toSorted()).toEqual(['0.1.0', '0.2.0']);
  });

  it('is what the launcher starts, and only "run" is a start', async () => {
    const main = (version: string): unknown => expect.stringMatching(`/versions/${version}/dist/main.js$`);
    expect(await chooseProgram(['run', '--data', data])).toBeUndefined();
    lead('0.1.0');
    beginProbation(dir, '0.2.0');
    lead('0.2.0');
    for (let i = 0; i < 5; i++) expect(await chooseProgram(['status', `--data=${data}`])).toEqual(main('0.2.0'));
    for (let i = 0; i < STARTS_MAX; i++) expect(await chooseProgram(['run', '--data', data])).toEqual(main('0.2.0'));
    expect(await chooseProgram(['run', '--data', data])).toEqual(main('0.1.0'));
    rmSync(join(dir, 'versions'), { recursive: true });
    expect(await chooseProgram(['run', '--data', data])).toBeUndefined();
  });
});
