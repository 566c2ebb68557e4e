import { createTempFolder, type TempFolder } from '@lastcall/testkit';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './world/lastcall-processes.js';

/*
 * The agent's unit, as systemd's own tools read it.
 */

const UNIT = join(ROOT, 'deploy/systemd/lastcall-agent.service');
/** Tenths; what systemd calls "OK" ends at 5.0. */
const MAX_EXPOSURE = 20;

const analyze = (...args: readonly string[]) => spawnSync('systemd-analyze', [...args], { encoding: 'utf8' });
const isInstalled = analyze('--version').status === 0;

(isInstalled ? describe : describe.skip)('the unit of the agent (needs systemd-analyze)', () => {
  let folder: TempFolder;
  let unit: string;
  beforeAll(async () => {
    folder = await createTempFolder('unit');
    const program = join(folder.path, 'bin/lastcall-agent');
    mkdirSync(join(folder.path, 'bin'));
    writeFileSync(program, '#!/bin/sh\n');
    chmodSync(program, 0o755);
    unit = join(folder.path, 'lastcall-agent.service');
    writeFileSync(unit, readFileSync(UNIT, 'utf8').replace('/usr/bin/lastcall-agent', program));
  });
  afterAll(() => folder.remove());

  it('has no mistake that systemd knows of', () => {
    const { status, stdout, stderr } = analyze('verify', '--man=no', unit);
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' });
  });

  it('says so when there is one', () => {
    const spoiled = join(folder.path, 'spoiled.service');
    writeFileSync(spoiled, readFileSync(unit, 'utf8').replace('KillMode=process', 'KillMode=everything'));
    expect(analyze('verify', '--man=no', spoiled).stderr).toContain('Failed to parse kill mode');
  });

  it('leaves little open', () => {
    const { status, stdout } = analyze('security', '--offline=true', `--threshold=${MAX_EXPOSURE}`, '--no-pager', unit);
    expect({ status, line: /Overall exposure level.*/.exec(stdout)?.[0] }).toMatchObject({ status: 0 });
  });
});
