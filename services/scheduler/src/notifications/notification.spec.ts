import { commonV1, eventsV1, runSpecToWire } from '@lastcall/contracts';
import { sampleSpec } from '../testing/sample-spec.js';
import { runNotification } from './notification.js';

const { RunOutcome } = commonV1;
const WINDOW = sampleSpec({ type: 'maintenance-window', closedForMs: 60_000, toVersion: '', hosts: [] });
const COMMAND = sampleSpec({ type: 'run-command', command: 'reindex', toVersion: '' });

describe('what is said of a run that has ended', () => {
  it.each([
    [sampleSpec(), RunOutcome.SUCCEEDED, 'berlin: Update of encore to 11.1.0 succeeded'],
    [sampleSpec({ type: 'data-backup', toVersion: '' }), RunOutcome.SUCCEEDED, 'berlin: Backup of encore succeeded'],
    [COMMAND, RunOutcome.SUCCEEDED, 'berlin: Command reindex of encore succeeded'],
    [COMMAND, RunOutcome.FAILED, 'berlin: Command reindex of encore failed'],
    [COMMAND, RunOutcome.EXPIRED, 'berlin: Command reindex of encore was not done in time; nothing was run'],
    [WINDOW, RunOutcome.SUCCEEDED, 'berlin: Maintenance window of encore succeeded'],
    [WINDOW, RunOutcome.CANCELLED, 'berlin: Maintenance window of encore was cancelled; the gate is open'],
    [WINDOW, RunOutcome.EXPIRED, 'berlin: Maintenance window of encore was not done in time'],
  ])('%#', (spec, outcome, title) => {
    const message = eventsV1.RunFinished.fromPartial({ run: runSpecToWire(spec), outcome });
    expect(runNotification(message).title).toBe(title);
  });
});
