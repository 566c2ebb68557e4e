import type { HostFacts, Requirements } from '../facts.js';
import { isAtLeast } from '../versions.js';
import type { HostCheck } from './check-module.js';

export const operatingSystem: HostCheck = {
  name: 'operating-system',
  about: 'host',
  passesWhen: 'it is one of the systems that the release names, of that version or newer',
  ask: ({ demands, facts }) => {
    if (!demands || demands.os.length === 0) return [];
    return [
      {
        asked: demands.os.map((d) => `${d.os}${d.version === '' ? '' : ` ${d.version} or newer`}`).join(' or '),
        needs: ['os', 'os_version'],
        met: isOneOf(demands.os, facts),
        found: `${facts.os} ${facts.osVersion ?? ''}`.trim(),
        remedy: 'Update the operating system, or take another host',
      },
    ];
  },
};

function isOneOf(demanded: Requirements['os'], { os, osVersion }: HostFacts): boolean | undefined {
  if (os === undefined) return undefined;
  const fits = demanded.filter((d) => d.os === os);
  if (fits.some((d) => d.version === '')) return true;
  if (osVersion === undefined && fits.length > 0) return undefined;
  return fits.some((d) => isAtLeast(osVersion ?? '', d.version));
}
