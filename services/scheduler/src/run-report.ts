import { confirmationToWire } from './confirmations.js';
import {
  preflightV1,
  atToDate,
  eventsV1,
  failureToWire,
  formatName,
  msToDuration,
  type schedulerV1,
} from '@lastcall/contracts';
import type { RunDocument } from './documents.js';
import type { Findings } from './domain/findings.js';
import { phaseDurations } from './domain/phases.js';
import type { Estimate } from './estimates.js';
import { runToWire } from './wire.js';

/*
 * The parts of a report that the scheduler knows itself.
 */

type Report = Omit<schedulerV1.RunReport, 'preflight'>;

export function reportToWire(document: RunDocument, estimate: Estimate): Report | undefined {
  const { state, confirmedCautions, confirmations = [] } = document;
  if (state.phase === 'none') return undefined;
  const { spec, findings } = state;
  const before = Object.fromEntries(spec.hosts.map((h) => [h.host, spec.fromVersion]));
  return {
    run: runToWire(document, true),
    drain: findings.drain && eventsV1.DrainSummary.fromPartial(findings.drain),
    backup: backupToWire(document),
    versionsBefore: { ...before, ...findings.versionsBefore },
    versionsAfter: { ...before, ...findings.versionsBefore, ...findings.versionsAfter },
    absentHosts: [...findings.absentHosts],
    confirmedCautions: [...confirmedCautions],
    commandResults: (findings.commandResults ?? []).map(({ host, output, failure }) => ({
      ...{ host, output, failure: failure && failureToWire(failure) },
    })),
    confirmations: confirmations.map(confirmationToWire),
    wayBack: findings.wayBack && {
      dataRestored: findings.wayBack.dataRestored,
      failures: findings.wayBack.failures.map(failureToWire),
    },
    ...gateToWire(findings),
    ...durationsToWire(document, estimate),
  };
}

function gateToWire(findings: Findings) {
  const { gateClosedAt, gateReopenedAt, noticeAt, logoffAt, shutHosts } = findings;
  const known = gateClosedAt !== undefined && gateReopenedAt !== undefined;
  return {
    gateShut: known ? msToDuration(Math.max(0, gateReopenedAt - gateClosedAt)) : undefined,
    gateClosedTime: dateOf(gateClosedAt),
    gateReopenedTime: gateClosedAt === undefined ? undefined : dateOf(gateReopenedAt),
    noticeTime: dateOf(noticeAt),
    logoffTime: dateOf(logoffAt),
    shutHosts: { ...shutHosts },
  };
}

function durationsToWire({ state }: RunDocument, estimate: Estimate) {
  if (state.phase === 'none') return { phases: [], took: undefined, estimate: undefined, estimatedFrom: 0 };
  const { spec, timeline, findings } = state;
  const ended = state.phase === 'ended';
  const newestAt = Math.max(...timeline.map(({ at }) => at));
  const phases = phaseDurations(findings.phaseBegan ?? {}, ended ? state.finishedAt : newestAt);
  return {
    phases: phases.map(({ phase, ms }) => ({
      phase,
      took: msToDuration(ms),
      estimate: span(estimate.phaseMs.get(phase)),
    })),
    took: ended ? msToDuration(Math.max(0, state.finishedAt - spec.startedAt)) : undefined,
    estimate: span(estimate.totalMs),
    estimatedFrom: estimate.runs,
  };
}

const span = (ms: number | undefined) => (ms === undefined ? undefined : msToDuration(ms));
const dateOf = (at: number | undefined) => (at === undefined || at <= 0 ? undefined : atToDate(at));

function backupToWire({ installation, state }: RunDocument): schedulerV1.RunReport['backup'] {
  if (state.phase === 'none') return undefined;
  const { spec, findings } = state;
  const { backup } = findings;
  if (!backup) return undefined;
  const { restorePoint, host, version, takenAt, sizeBytes, sha256, verified = true } = backup;
  return preflightV1.Backup.fromPartial({
    name: restorePoint === '' ? '' : formatName('backup', { installation, restore_point: restorePoint }),
    restorePoint,
    host,
    run: spec.run,
    product: spec.product,
    version,
    takenAt: takenAt > 0 ? atToDate(takenAt) : undefined,
    sizeBytes: BigInt(sizeBytes),
    sha256,
    verified,
  });
}
