import type { RunHost } from '@lastcall/kernel';
import { MINUTE_MS } from '@lastcall/kernel';
import { backupBasis } from './backup-basis.js';
import type { Question } from './checks/check-module.js';
import { HOST_CHECKS, HOST_ONLINE, INSTALLATION_CHECKS } from './checks/registry.js';
import type { BackupBasis, Check, HostAnswer, HostFacts, Occasion } from './facts.js';

/*
 * Every check of a report from what the hosts answered. Owns how an answer becomes a verdict; asks nobody. A question without an
 * answer is `unknown` and blocks, and so do facts that are too old, except on a host that may follow later: that one is left out and
 * catches up.
 */

/** Facts that were asked for longer ago than this say nothing about now. Hosts have at most 10 min to answer. */
export const STALE_FACTS_MS = 15 * MINUTE_MS;

export interface Evaluation {
  readonly checks: readonly Check[];
  /** Hosts that follow later. */
  readonly absentHosts: readonly string[];
  readonly backup: BackupBasis;
}

type Answers = Readonly<Record<string, HostAnswer | undefined>>;

/** `askedAt`: when the hosts were asked; `at`: when the verdict is found. */
export function evaluate(
  occasion: Occasion,
  answered: Answers,
  { askedAt, at }: { readonly askedAt: number; readonly at: number },
): Evaluation {
  const isStale = at - askedAt > STALE_FACTS_MS;
  const answers = isStale ? {} : answered;
  const why = isStale ? `its answer is older than ${STALE_FACTS_MS / MINUTE_MS} minutes` : 'no answer in time';
  const absentHosts: string[] = [];
  const checks = occasion.hosts.flatMap((host) => {
    const answer = answers[host.host];
    const behind = answer?.kind === 'facts' && isBehind(occasion, answer.facts);
    if (host.mayFollowLater && (answer?.kind !== 'facts' || behind)) {
      absentHosts.push(host.host);
      return [followsLater(host, answer, at)];
    }
    return hostChecks(occasion, host, answer, why, at);
  });
  const matter = { occasion, answers, at };
  const whole = INSTALLATION_CHECKS.flatMap(({ name, ask }) =>
    ask(matter).map((question) => answer(question, { check: name, host: '', unknown: {}, at })),
  );
  return { checks: [...whole, ...checks], absentHosts, backup: backupBasis(occasion, answers) };
}

/** Whether a check keeps an update from going ahead. */
export function isBlocking({ verdict, override }: Check): boolean {
  return (verdict === 'failed' || verdict === 'unknown') && override === undefined;
}

function isBehind(occasion: Occasion, facts: HostFacts): boolean {
  return occasion.fromVersion !== '' && facts.installedVersion !== occasion.fromVersion;
}

const ONLINE = { check: HOST_ONLINE.name, asked: 'the host answers' };

function followsLater({ host }: RunHost, answer: HostAnswer | undefined, at: number): Check {
  const found =
    answer?.kind === 'facts'
      ? `has version ${answer.facts.installedVersion || 'none'}`
      : (answer?.failure.message ?? 'did not answer');
  const answeredAt = answer?.at ?? at;
  return { ...ONLINE, host, verdict: 'skipped', found: `${found}; it follows later`, remedy: '', answeredAt };
}

function hostChecks(
  occasion: Occasion,
  host: RunHost,
  given: HostAnswer | undefined,
  why: string,
  at: number,
): readonly Check[] {
  const online = { ...ONLINE, host: host.host };
  if (given?.kind !== 'facts') {
    const found = given?.failure.message ?? why;
    const remedy = 'Start the host and its agent: lastcall host list shows who is connected';
    return [{ ...online, verdict: 'unknown', found, remedy, answeredAt: at }];
  }
  const { facts } = given;
  const matter = { occasion, demands: occasion.requirements, host, facts, at: given.at };
  const checks = HOST_CHECKS.flatMap(({ name, ask }) =>
    ask(matter).map((q) => answer(q, { check: name, host: host.host, unknown: facts.unknown, at: given.at })),
  );
  return [{ ...online, verdict: 'passed', found: 'answered', remedy: '', answeredAt: given.at }, ...checks];
}

interface Subject {
  readonly check: string;
  readonly host: string;
  /** Why facts are not known, by their names. */
  readonly unknown: Readonly<Record<string, string>>;
  readonly at: number;
}

function answer({ asked, met, found, remedy, needs = [], skip }: Question, subject: Subject): Check {
  const { check, host, unknown, at: answeredAt } = subject;
  const base = { check, host, asked, answeredAt };
  if (skip !== undefined) return { ...base, verdict: 'skipped', found: skip, remedy: '' };
  if (met === undefined) {
    const reasons = needs.map((name) => unknown[name]).filter((reason) => reason !== undefined);
    const why = reasons.join('; ') || (needs.length === 0 ? found : '') || 'the host could not find out';
    return { ...base, verdict: 'unknown', found: why, remedy };
  }
  return met ? { ...base, verdict: 'passed', found, remedy: '' } : { ...base, verdict: 'failed', found, remedy };
}
