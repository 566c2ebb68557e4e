import type { ManifestAction } from '@lastcall/contracts';
import { Defect } from '@lastcall/kernel';
import type { Evidence } from '../domain/order.js';
import { demandInstalled, scopeOf, targetOf, type StepContext, type StepParts } from '../step-context.js';
import { StepFailure } from '../step-failure.js';

/*
 * An action that the manifest of the installed release names. An order says its id and nothing else of it: what is run is what the vendor
 * has signed, from files that are still the signed ones. Never run again by itself.
 */

const MOST_CHARS = 2_000;

export async function runAction(parts: StepParts, context: StepContext): Promise<Evidence> {
  const { action: order, deadlineAt } = context.state.order;
  if (order.kind !== 'run-command') throw new Defect(`the step command of an order for ${order.kind}`);
  const { releases, record, commands } = parts;
  const version = await demandInstalled(parts, order.version);
  const release = await releases.load(version);
  const action = release.manifest.actions?.find(({ id }) => id === order.command);
  if (!action) {
    const message = `version ${version} has no action ${order.command} in its manifest`;
    throw new StepFailure('NO_SUCH_COMMAND', message, { version, command: order.command });
  }
  if (action.role !== record.role) {
    const message = `the action ${action.id} is for hosts with the role ${action.role}; this one is a ${record.role}`;
    throw new StepFailure('WRONG_ROLE', message, { role: record.role, command: action.id });
  }
  const changes = await releases.findChanges(release, false, context.signal);
  if (changes.length > 0) {
    const message = `version ${version} is not as signed, so nothing of it is run: ${changes.join('; ')}`;
    throw new StepFailure('INSTALLED_CHANGED', message, { version, changes: changes.join('\n') });
  }
  const target = targetOf(parts, release, version);
  const { output, durationMs } = await commands.act(inTime(action, deadlineAt), target, scopeOf(context));
  return { kind: 'command', output: output.slice(-MOST_CHARS), durationMs };
}

/** Whoever gave the order gives it up at its deadline, so the command has no more time than that. */
function inTime(action: ManifestAction, deadlineAt: number): ManifestAction {
  if (deadlineAt === 0) return action;
  return { ...action, timeoutMs: Math.max(1, Math.min(action.timeoutMs, deadlineAt - Date.now())) };
}
