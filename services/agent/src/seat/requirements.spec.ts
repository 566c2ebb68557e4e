import { parseManifest } from '@lastcall/contracts/manifest';
import { unmetRequirements, type SeatFacts } from './requirements.js';

const FACTS: SeatFacts = {
  ...{ os: 'linux', osVersion: '6.8.0-41-generic', cpuCount: 4, memoryBytes: 2 ** 30, agentVersion: '0.1.0' },
  ...{ stageFreeBytes: 2 ** 30, backupFreeBytes: 2 ** 30, installedVersion: '11.0.0' },
};

function unmet(requires: string, facts: Partial<SeatFacts> = {}): readonly string[] {
  const parsed = parseManifest(
    `product: encore\nversion: 11.1.0\ntitle: Encore\nartifacts: [{ role: server, directory: server }]\ncommands: { server: {} }\nrequires: { ${requires} }\n`,
  );
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.problems));
  return unmetRequirements(parsed.manifest, { ...FACTS, ...facts });
}

describe('the requirements of a release on a seat', () => {
  it.each([
    ['nothing demanded', ''],
    ['this system', 'os: [{ name: win32 }, { name: linux, version: "6.8" }]'],
    ['as much as there is', 'cpus: 4, memory: 1 GiB, stageFree: 1 GiB, backupFree: 1 GiB, agent: 0.1.0, data: 11.0.0'],
  ])('are met: %s', (_, requires) => expect(unmet(requires)).toEqual([]));

  it.each([
    [
      'another system',
      'os: [{ name: win32, version: "10.0" }]',
      'operating system: linux 6.8.0-41-generic here, win32 10.0 needed',
    ],
    [
      'a newer system',
      'os: [{ name: linux, version: "6.10" }]',
      'operating system: linux 6.8.0-41-generic here, linux 6.10 needed',
    ],
    ['more processors', 'cpus: 8', 'processors: 4 here, 8 needed'],
    ['more memory', 'memory: 2 GiB', 'memory in bytes: 1073741824 here, 2147483648 needed'],
    ['room for the download', 'stageFree: 2 GiB', 'free bytes for the download: 1073741824 here, 2147483648 needed'],
    ['room for the backup', 'backupFree: 2 GiB', 'free bytes for the backup: 1073741824 here, 2147483648 needed'],
    ['a newer agent', 'agent: 0.2.0', 'agent: 0.1.0 here, 0.2.0 needed'],
    ['newer data', 'data: 11.0.1', 'data: 11.0.0 here, 11.0.1 needed'],
  ])('say what is lacking: %s', (_, requires, problem) => expect(unmet(requires)).toEqual([problem]));

  it('a version of a system that cannot be read is not new enough', () =>
    expect(unmet('os: [{ name: linux, version: "1" }]', { osVersion: 'unknown' })).toHaveLength(1));
});
