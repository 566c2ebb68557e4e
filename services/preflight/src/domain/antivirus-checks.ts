import { no, ok, skipped, unknown } from './check-text.js';
import type { Check, HostFacts, Requirements } from './facts.js';

/** One check for each exception that the release demands on this host; one in all when there is no antivirus software. */
export function antivirusChecks(demands: Requirements, host: string, facts: HostFacts, at: number): Check[] {
  const demanded = [...demands.antivirusFolders, ...demands.antivirusFiles, ...demands.antivirusProcesses];
  if (demanded.length === 0) return [];
  const subject = { check: 'antivirus', host, asked: 'the antivirus exceptions of the release are set' };
  const found = facts.antivirus;
  if (!found) {
    const why = facts.unknown['antivirus'] ?? 'the host could not find out';
    return [unknown(subject, why, "Let the agent read the antivirus software's configuration", at)];
  }
  if (found.product === 'none') return [skipped(subject, 'no antivirus software was found', at)];
  if (found.exceptions.length < demanded.length) {
    return [unknown(subject, `${found.exceptions.length} of ${demanded.length} were answered`, 'Update the agent', at)];
  }
  return found.exceptions.map((e) => {
    const asked = `${found.product} leaves the ${e.kind} ${e.value} alone`;
    return e.present
      ? ok({ ...subject, asked }, `set in ${found.source}`, at)
      : no({ ...subject, asked }, `not set in ${found.source}`, `Add the ${e.kind} ${e.value} to its exceptions`, at);
  });
}
