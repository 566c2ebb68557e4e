import type { AntivirusFacts } from '../facts.js';
import type { HostCheck, Question } from './check-module.js';

const SUBJECT = { asked: 'the antivirus exceptions of the release are set', needs: ['antivirus'] };

/** One question for each exception that the release demands on this host; one in all when there is no antivirus software. */
export const antivirus: HostCheck = {
  name: 'antivirus',
  about: 'host',
  passesWhen: 'each exception that the release demands is set; skipped where there is no antivirus software',
  ask: ({ demands, facts: { antivirus: found } }) => {
    if (!demands) return [];
    const demanded = [...demands.antivirusFolders, ...demands.antivirusFiles, ...demands.antivirusProcesses];
    if (demanded.length === 0) return [];
    if (!found) {
      const remedy = "Let the agent read the antivirus software's configuration";
      return [{ ...SUBJECT, met: undefined, found: '', remedy }];
    }
    if (found.product === 'none') {
      return [{ ...SUBJECT, met: true, found: '', remedy: '', skip: 'no antivirus software was found' }];
    }
    if (found.exceptions.length < demanded.length) {
      const answered = `${found.exceptions.length} of ${demanded.length} were answered`;
      return [{ ...SUBJECT, met: undefined, needs: [], found: answered, remedy: 'Update the agent' }];
    }
    return found.exceptions.map((exception) => question(found, exception));
  },
};

function question({ product, source }: AntivirusFacts, e: AntivirusFacts['exceptions'][number]): Question {
  return {
    asked: `${product} leaves the ${e.kind} ${e.value} alone`,
    met: e.present,
    found: `${e.present ? 'set' : 'not set'} in ${source}`,
    remedy: `Add the ${e.kind} ${e.value} to its exceptions`,
  };
}
