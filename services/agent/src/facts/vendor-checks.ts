import type { ManifestCheck } from '@lastcall/contracts';
import { join } from 'node:path';
import type { CommandOutcome } from '../commands/command-runner.js';
import type { CommandScope, CommandTarget, ReleaseCommands } from '../commands/release-commands.js';
import type { VendorCheckFact } from '../domain/order.js';
import type { HostRecord } from '../host-record.js';
import type { Layout } from '../layout.js';
import type { Releases } from '../releases.js';

/*
 * The vendor's own questions to this host, by the commands of the release that is going to be installed, from its staged files. All at
 * once: each has its time, and the longest is what they take together. Exit code 0 passes, another one does not; whatever did
 * not come to an end by itself is no answer.
 */

const MOST_CHARS = 1_000;

export interface VendorParts {
  readonly layout: Layout;
  readonly releases: Releases;
  readonly record: HostRecord;
  readonly commands: Pick<ReleaseCommands, 'check'>;
}

export async function askVendor(
  { layout, releases, record, commands }: VendorParts,
  version: string,
  fromVersion: string,
  scope: CommandScope,
): Promise<readonly VendorCheckFact[]> {
  const release = await releases.load(version);
  const checks = (release.manifest.checks ?? []).filter((check) => check.role === record.role);
  const target: CommandTarget = { release, treeDir: join(layout.versions, version), fromVersion };
  const ask = async (check: ManifestCheck): Promise<VendorCheckFact> => {
    const outcome = await commands.check(check, target, { ...scope, step: `check-${check.id}` });
    return factOf(check, outcome);
  };
  return Promise.all(checks.map((check) => ask(check)));
}

function factOf({ id, timeoutMs }: ManifestCheck, outcome: CommandOutcome): VendorCheckFact {
  const wrote = outcome.output.slice(-MOST_CHARS);
  switch (outcome.kind) {
    case 'exited': {
      const passed = outcome.exitCode === 0;
      return { id, passed, unanswered: false, found: wrote || `ended with exit code ${outcome.exitCode}` };
    }
    case 'killed':
      return { id, passed: false, unanswered: true, found: `was killed by ${outcome.signal}` };
    case 'timed-out':
      return { id, passed: false, unanswered: true, found: `did not end within ${timeoutMs} ms` };
    case 'not-started':
      return {
        id,
        passed: false,
        unanswered: true,
        found: `could not be started: ${outcome.why}`.slice(0, MOST_CHARS),
      };
  }
}
