import { assertNever, type Decider } from '@lastcall/kernel';
import { evaluate, isBlocking } from './evaluate.js';
import { withOverrides } from './override.js';
import type { BackupBasis, Check, HostAnswer, Occasion } from './facts.js';

/*
 * One report: hosts are asked, answers come in in any order and repeatedly, and once all are there, or the time is up,
 * the verdict is found, once. A report whose run was cancelled says nothing any more.
 */

export type ReadinessState =
  | { readonly phase: 'none' }
  | {
      readonly phase: 'asking';
      readonly occasion: Occasion;
      readonly answers: Readonly<Record<string, HostAnswer>>;
      readonly begunAt: number;
    }
  | {
      readonly phase: 'decided';
      readonly occasion: Occasion;
      readonly verdict: 'passed' | 'failed';
      readonly checks: readonly Check[];
      readonly absentHosts: readonly string[];
      readonly backup: BackupBasis;
      readonly begunAt: number;
      readonly decidedAt: number;
    }
  | { readonly phase: 'abandoned'; readonly at: number };

export type ReadinessCommand =
  | { readonly type: 'begin'; readonly occasion: Occasion; readonly at: number }
  | { readonly type: 'answer'; readonly host: string; readonly answer: HostAnswer }
  /** The time for answers is up. */
  | { readonly type: 'close'; readonly at: number }
  | { readonly type: 'abandon'; readonly at: number };

export type ReadinessEvent =
  | { readonly type: 'begun'; readonly occasion: Occasion; readonly at: number }
  | { readonly type: 'answered'; readonly host: string; readonly answer: HostAnswer }
  | {
      readonly type: 'decided';
      readonly verdict: 'passed' | 'failed';
      readonly checks: readonly Check[];
      readonly absentHosts: readonly string[];
      readonly backup: BackupBasis;
      readonly at: number;
    }
  | { readonly type: 'abandoned'; readonly at: number };

type Asking = Extract<ReadinessState, { phase: 'asking' }>;

function decided(state: Asking, answers: Asking['answers'], at: number): ReadinessEvent {
  const { checks: found, absentHosts, backup } = evaluate(state.occasion, answers, { askedAt: state.begunAt, at });
  const checks = withOverrides(found, state.occasion.overrides ?? [], at);
  const blocked = checks.some(isBlocking);
  return { type: 'decided', verdict: blocked ? 'failed' : 'passed', checks, absentHosts, backup, at };
}

function decide(state: ReadinessState, command: ReadinessCommand): readonly ReadinessEvent[] {
  switch (command.type) {
    case 'begin': {
      if (state.phase !== 'none') return [];
      const begun: ReadinessEvent = { type: 'begun', occasion: command.occasion, at: command.at };
      if (command.occasion.hosts.length > 0) return [begun];
      const asking = evolve(state, begun) as Asking;
      return [begun, decided(asking, {}, command.at)];
    }
    case 'answer': {
      if (state.phase !== 'asking' || Object.hasOwn(state.answers, command.host)) return [];
      if (!state.occasion.hosts.some((h) => h.host === command.host)) return [];
      const answered: ReadinessEvent = { type: 'answered', host: command.host, answer: command.answer };
      const answers = { ...state.answers, [command.host]: command.answer };
      const complete = state.occasion.hosts.every((h) => Object.hasOwn(answers, h.host));
      return complete ? [answered, decided(state, answers, command.answer.at)] : [answered];
    }
    case 'close':
      return state.phase === 'asking' ? [decided(state, state.answers, command.at)] : [];
    case 'abandon':
      return state.phase === 'none' || state.phase === 'asking' ? [{ type: 'abandoned', at: command.at }] : [];
    default:
      return assertNever(command);
  }
}

function evolve(state: ReadinessState, event: ReadinessEvent): ReadinessState {
  switch (event.type) {
    case 'begun':
      return { phase: 'asking', occasion: event.occasion, answers: {}, begunAt: event.at };
    case 'answered':
      return state.phase === 'asking' ? { ...state, answers: { ...state.answers, [event.host]: event.answer } } : state;
    case 'decided':
      if (state.phase !== 'asking') return state;
      return {
        phase: 'decided',
        occasion: state.occasion,
        verdict: event.verdict,
        checks: event.checks,
        absentHosts: event.absentHosts,
        backup: event.backup,
        begunAt: state.begunAt,
        decidedAt: event.at,
      };
    case 'abandoned':
      return { phase: 'abandoned', at: event.at };
    default:
      return assertNever(event);
  }
}

export const readiness: Decider<ReadinessState, ReadinessCommand, ReadinessEvent> = {
  initial: { phase: 'none' },
  decide,
  evolve,
};
