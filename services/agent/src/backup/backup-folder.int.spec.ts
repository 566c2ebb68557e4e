import { mkdirSync, mkdtempSync, realpathSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layoutOf, makeFolders } from '../layout.js';
import { checkBackupsFolder } from './backup-folder.js';

describe('the folder of backups', () => {
  const place = realpathSync(mkdtempSync(join(tmpdir(), 'lastcall-folder-')));
  const layout = layoutOf(join(place, 'agent'));
  makeFolders(layout);
  mkdirSync(join(place, 'elsewhere'));
  symlinkSync(layout.data, join(place, 'elsewhere/link'));

  it.each([
    ['elsewhere', true],
    ['elsewhere/not/yet', true],
    ['agent/backups', true],
    ['agent/backups/mine', true],
    ['agent-too', true],
    ['agent', false],
    ['agent/data', false],
    ['agent/data/deep/down', false],
    ['agent/versions/11.0.0', false],
    ['agent/new', false],
    ['', false],
    ['elsewhere/link/x', false],
    ['elsewhere/../agent/data', false],
  ])('%s: %s', (path, isGood) => {
    const check = () => checkBackupsFolder(layout, path === '' ? place : `${place}/${path}`);
    if (isGood) check();
    else expect(check).toThrow(/The folder for backups .* name a folder outside/);
  });

  it('is an absolute path', () =>
    expect(() => checkBackupsFolder(layout, 'backups')).toThrow('is not an absolute path'));
});
