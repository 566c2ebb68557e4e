import { isRejected, MINUTE_MS, run as runDecider } from '@lastcall/kernel';
import fc from 'fast-check';
import { GRACE, T0 } from '../testing/gate-commands.js';
import { counts, LIMITS, REACTION, script, type Scene, type Step } from '../testing/gate-steps.js';
import { endsExempt, refusalFor } from './admission.js';
import { gateDueAt } from './expiry.js';
import { gate } from './gate.js';
import type { GateCommand, GateEvent } from './gate-messages.js';
import { hasAlarm, isOver, type GateState } from './gate-state.js';

/*
 * Anything in any order, twice and late, with users who come and go meanwhile: invariants 5, 6 and 7 of the design hold.
 */

/** Watches one gate and those inside, and fails as soon as an invariant does not hold. */
class Witness implements Scene {
  state: GateState = gate.initial;
  readonly answers = new Map<string, number>();
  /** Runs whose end was heard of. */
  readonly ended = new Set<string>();
  /** Phases, events, outcomes and reasons. */
  readonly seen = new Set<string>();
  private inside = { users: 0, exempt: 0 };
  private toldAt: number | undefined;
  private drainedEpoch = 0;

  take(command: GateCommand): void {
    const before = this.state;
    const aboutEnd = command.type !== 'shut' && command.type !== 'release-host';
    if (aboutEnd && 'run' in command && typeof command.run === 'object') this.ended.add(command.run.run);
    const decision = runDecider(gate, before, command);
    if (isRejected(decision)) return;
    for (const event of decision.events) this.see(event, command);
    this.state = decision.state;
    this.seen.add(this.state.phase);
    if (command.type === 'shut' && isOver(before, command.run.run)) expect(decision.events).toEqual([]);
    this.checkInstall(before, command);
    this.checkMaintenance(before, command);
    this.checkQuarantine(before, command);
    this.checkHolds();
    this.checkDoor();
    this.checkInside();
    // Once more changes nothing, except that time is asked anew.
    const again = runDecider(gate, this.state, command);
    const repeatable = command.type === 'open-by-hand' || command.type === 'hold' || command.type === 'release-hold';
    if (!isRejected(again) && !repeatable && command.type !== 'shut') {
      must(!again.events.some(({ type }) => type === 'answered'), `${command.type} answers twice`);
    }
  }

  enter(exempt: boolean): void {
    const version = this.state.version || '1.0.0';
    if (refusalFor(this.state, { host: '', version, exempt }) === undefined) this.inside[who(exempt)]++;
    this.checkInside();
  }

  leave(exempt: boolean): void {
    this.inside[who(exempt)] = Math.max(0, this.inside[who(exempt)] - 1);
  }

  endThoseWhoMustGo(at: number): void {
    const { phase } = this.state;
    if (phase !== 'open' && phase !== 'shutting' && phase !== 'closing' && phase !== 'reopening') this.inside.users = 0;
    if (this.inside.exempt === 0) return;
    const ends = endsExempt(this.state, at);
    if (phase === 'confirming') this.seen.add(ends ? 'exempt-ended' : 'exempt-waited-for');
    // 5, for exempt users too. Unless an installer says that it went wrong before it was told to begin.
    must(!ends || phase === 'quarantined' || this.hadTime(at), `exempt users ended at ${at} in ${phase}`);
    if (ends) this.inside.exempt = 0;
  }

  private hadTime(at: number): boolean {
    return this.toldAt !== undefined && at - this.toldAt >= REACTION;
  }

  /** Exempt users count only when zero is proven for the second time. */
  count(at: number, epoch = this.state.epoch): void {
    const sessions = this.inside.users + (this.state.phase === 'confirming' ? this.inside.exempt : 0);
    this.take({ type: 'prove', epoch, sessions, counts, at });
  }

  private see(event: GateEvent, command: GateCommand): void {
    this.seen.add(event.type);
    switch (event.type) {
      case 'shut':
        expect(event.epoch).toBe(this.state.epoch + 1);
        this.toldAt = undefined;
        break;
      case 'told':
        this.toldAt = event.notice.sentAt;
        expect(event.notice.deadlineAt).toBe(event.notice.sentAt + REACTION);
        break;
      case 'ending-begun':
        // 5: a notice and the full reaction time.
        must(this.hadTime(event.at), `the logoff began at ${event.at}`);
        break;
      case 'drained':
      case 'confirmed':
        // 6: nobody inside, in this epoch; and twice before the install.
        expect(command).toMatchObject({ type: 'prove', sessions: 0, epoch: this.state.epoch });
        if (event.type === 'drained') this.drainedEpoch = this.state.epoch;
        else expect(this.drainedEpoch).toBe(this.state.epoch);
        break;
      case 'drain-failed':
        expect(this.state.phase).not.toBe('confirmed');
        if (event.failure.reason === 'SESSIONS_REMAIN') must('at' in command && this.hadTime(command.at), 'given up');
        if (event.failure.reason === 'LEASE_LOST')
          expect(command).toMatchObject({ type: 'expire', leaseWatched: true });
        break;
      case 'answered': {
        const { run } = event.answer.run;
        this.seen.add(event.answer.outcome);
        if (event.answer.failure) this.seen.add(event.answer.failure.reason);
        this.answers.set(run, (this.answers.get(run) ?? 0) + 1);
        // 7: exactly one answer.
        expect(this.answers.get(run)).toBe(1);
        break;
      }
      default:
        break;
    }
  }

  /** A host that could not be brought back lets nobody in until it is released, updated, or a person opens the gate. */
  private checkQuarantine(before: GateState, command: GateCommand): void {
    for (const host of Object.keys(before.quarantine ?? {})) {
      if (this.state.quarantine?.[host] !== undefined) {
        must(refusalFor(this.state, { host, version: this.state.version }) !== undefined, `${host} lets in`);
        must(hasAlarm(this.state), `${host} is quarantined without an alarm`);
        continue;
      }
      this.seen.add('host-freed');
      must(['release-host', 'update', 'open-by-hand'].includes(command.type), `${command.type} freed ${host}`);
    }
  }

  /** While the install may run, silence and holds open nothing; only the installer does, or a person after the alarm. */
  private checkInstall(before: GateState, command: GateCommand): void {
    if (before.phase !== 'confirmed' || this.state.phase === 'confirmed') return;
    const byInstaller = ['update', 'roll-back', 'quarantine'].includes(command.type);
    const cancelled = command.type === 'fail' && command.after === 'cancel';
    const byPerson = command.type === 'open-by-hand' && (hasAlarm(before) || before.cause.by === 'hand');
    const superseded = command.type === 'shut' && this.state.phase === 'shutting';
    must(byInstaller || cancelled || byPerson || superseded, `${command.type} ended the install`);
  }

  /** From its first zero on a maintenance window ends at its time, when it is cancelled or opened, and in no other way. */
  private checkMaintenance(before: GateState, command: GateCommand): void {
    if (before.phase !== 'drained' || before.reopenAt === undefined || this.state.phase === 'drained') return;
    // Drained so late that its run has to be over before its time.
    const deadlineAt = before.cause.by === 'run' ? before.cause.run.deadlineAt + GRACE : Infinity;
    const isOver = command.type === 'expire' && command.at >= Math.min(before.reopenAt, deadlineAt);
    const cancelled = command.type === 'fail' && command.run.type === 'maintenance-window';
    const superseded = command.type === 'shut' && this.state.phase === 'shutting';
    if (isOver) this.seen.add('maintained');
    must(isOver || cancelled || superseded || command.type === 'open-by-hand', `${command.type} ended the maintenance`);
  }

  /** Never further than the installation allows, nor past the run's window. */
  private checkHolds(): void {
    const { state } = this;
    if (state.phase !== 'closing' || state.cause.by !== 'run') return;
    const { baseDeadlineAt, holds, holdsGranted, notice, cause } = state;
    const latest = Math.min(baseDeadlineAt + LIMITS.maxTotalDelayMs, Math.max(baseDeadlineAt, cause.run.deadlineAt));
    const deadlineAt = notice.deadlineAt ?? 0;
    must(deadlineAt >= baseDeadlineAt && deadlineAt <= latest, `the logoff at ${deadlineAt}, not before ${latest}`);
    must(holdsGranted <= LIMITS.maxCount, `${holdsGranted} holds`);
    must(holdsGranted > 0 || deadlineAt === baseDeadlineAt, 'it moved without a hold');
    must(
      holds.every(({ createdAt, expiresAt }) => expiresAt - createdAt <= LIMITS.longestMs),
      'a hold that is too long',
    );
  }

  /** 6: nobody in while it is shut but exempt users before the backup, and nobody on a host that waits for its first start. */
  private checkDoor(): void {
    const shut = this.state.phase !== 'open' && this.state.phase !== 'reopening';
    const early = ['shutting', 'closing', 'draining', 'drained'].includes(this.state.phase);
    for (const host of ['', 'srv', 'ts1', 'ts2']) {
      const version = this.state.version || '1.0.0';
      const start = this.state.firstStarts[host];
      const isReleased = this.state.quarantine?.[host] === undefined;
      const isFree = isReleased && (start === undefined || start.state === 'proven');
      for (const exempt of [false, true]) {
        const letIn = refusalFor(this.state, { host, version, exempt }) === undefined;
        must(letIn === (isFree && (!shut || (exempt && early))), `${host} ${exempt}: ${letIn} in ${this.state.phase}`);
      }
    }
  }

  /** 6: no users from the first zero on, nobody at all from the second. */
  private checkInside(): void {
    const { phase } = this.state;
    if (phase === 'drained' || phase === 'confirming' || phase === 'confirmed')
      must(this.inside.users === 0, `users inside in ${phase}`);
    if (phase === 'confirmed') must(this.inside.exempt === 0, `exempt users inside in ${phase}`);
  }
}

/** As `expect`, which is slow where it is asked a million times. */
function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(`it does not hold: ${what}`);
}

function who(exempt: boolean): 'users' | 'exempt' {
  return exempt ? 'exempt' : 'users';
}

/** What keeper and edge do when nothing is heard any more, until nothing is due. */
function settle(witness: Witness, from: number): void {
  let at = from;
  for (let i = 0; i < 50; i++) {
    const { state } = witness;
    const dueAt = gateDueAt(state, GRACE);
    if (dueAt === undefined) return;
    at = Math.max(at, dueAt);
    witness.take({ type: 'tell', notice: `n${at}.${i}`, sessions: 0, at });
    witness.take({ type: 'end', at, giveUpAt: at + MINUTE_MS });
    witness.endThoseWhoMustGo(at);
    witness.count(at);
    witness.take({ type: 'expire', at, overdueGraceMs: GRACE, leaseWatched: true });
  }
  throw new Error(`the gate does not come to rest: ${witness.state.phase}`);
}

function play(witness: Witness, steps: readonly { readonly step: Step; readonly pauseMs: number }[]): number {
  let at = T0;
  for (const { step, pauseMs } of steps) {
    at += pauseMs;
    step(witness, at);
  }
  return at;
}

describe('the gate under any order', () => {
  it('ends nobody early, lets nobody in while it is shut, answers each run once, and comes to rest', () => {
    fc.assert(
      fc.property(script, (steps) => {
        const witness = new Witness();
        settle(witness, play(witness, steps));
        const { state } = witness;
        // 7: open, or a person knows.
        expect(state.phase === 'open' || hasAlarm(state) || state.hand !== undefined).toBe(true);
        // Every end that was heard of is answered, unless the install may still be running.
        for (const run of witness.ended) {
          const running = state.phase === 'confirmed' && state.cause.by === 'run' && state.cause.run.run === run;
          if (!running) expect(witness.answers.get(run)).toBe(1);
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('is seen in every state, with every outcome', () => {
    const witnesses = fc.sample(script, { numRuns: 3_000, seed: 11 }).map((steps) => {
      const witness = new Witness();
      play(witness, steps);
      return witness;
    });
    const phases = ['open', 'shutting', 'closing', 'draining', 'drained', 'confirming', 'confirmed', 'reopening'];
    const outcomes = ['succeeded', 'failed', 'rolled-back', 'quarantined', 'postponed'];
    const events = [
      'hold-asked',
      'hold-granted',
      'hold-released',
      'lease-renewed',
      'alarm-raised',
      'first-start-proven',
      'hosts-quarantined',
      'host-freed',
      'maintained',
    ];
    const seen = new Set(witnesses.flatMap((witness) => [...witness.seen]));
    const wanted = [...phases, ...outcomes, ...events, 'LEASE_LOST', 'exempt-waited-for', 'exempt-ended'];
    expect(wanted.filter((word) => !seen.has(word))).toEqual([]);
  });
});
