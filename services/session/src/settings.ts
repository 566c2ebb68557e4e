import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '@lastcall/kernel';
import { whole, z } from '@lastcall/runtime';

/** Settings of the session service beyond the common ones. Durations are milliseconds. */
const settings = z.object({
  /** How long a stream may take to say hello. LASTCALL_HELLO_TIMEOUT_MS, default 10 s. */
  helloTimeoutMs: whole(100, 5 * MINUTE_MS).default(10 * SECOND_MS),
  /** How often clients give a sign of life; silent for three times as long, they are given up. Default 20 s. */
  heartbeatIntervalMs: whole(100, 5 * MINUTE_MS).default(20 * SECOND_MS),
  /** How long a client whose connection was lost may come back as the same session. Default 30 s. */
  resumeGraceMs: whole(0, HOUR_MS).default(30 * SECOND_MS),
  /** How long a replica counts as alive without a sign of life; its sessions run out with it. Default 10 s. */
  sessionLeaseMs: whole(2_000, 5 * MINUTE_MS).default(10 * SECOND_MS),
  /** How long the logoff may take until zero is proven; must be longer than the lease. Default 60 s. */
  drainTimeoutMs: whole(500, HOUR_MS).default(MINUTE_MS),
  /** How long a client that says so may save after the logoff; must be shorter than the drain's time. 0: not at all. Default 10 s. */
  saveTimeoutMs: whole(0, HOUR_MS).default(10 * SECOND_MS),
  /** How long a terminal server has for its first start. Default 5 min. */
  firstStartTimeoutMs: whole(500, DAY_MS).default(5 * MINUTE_MS),
  /** How long the proof may follow the end of the first start's command. Default 10 s. */
  firstStartSettleMs: whole(0, HOUR_MS).default(10 * SECOND_MS),
  /** How long a gate stays shut for a run that is not heard of; the scheduler renews it three times as often. Default 30 s. */
  gateLeaseMs: whole(500, HOUR_MS).default(30 * SECOND_MS),
  /** How long after a run's deadline its outcome is waited for before the alarm. Default 10 min. */
  gateOverdueGraceMs: whole(0, DAY_MS).default(10 * MINUTE_MS),
  /** How soon after a planned run was taken back it may be planned again, so that nobody is told of a cancellation. Default 1 min. */
  planSettleMs: whole(0, HOUR_MS).default(MINUTE_MS),
  /** Sessions of one installation. Default 20,000. */
  maxSessionsPerInstallation: whole(1, 1_000_000).default(20_000),
  /** Bytes that may wait for a slow reader before it is dropped. Default 256 KiB. */
  maxQueuedBytes: whole(1_024, 64 * 1_024 * 1_024).default(256 * 1_024),
  /** Messages that one client may send in a second. Default 50. */
  maxMessagesPerSecond: whole(1, 10_000).default(50),
  /** Attaches with one credential: at once, and each second over time. All clients of an installation may share one. */
  attachBurst: whole(1, 1_000_000).default(20_000),
  attachPerSecond: whole(1, 100_000).default(500),
  /** The same for one user on one host. */
  attachBurstPerUser: whole(1, 1_000_000).default(30),
  attachPerSecondPerUser: whole(1, 100_000).default(1),
  /** The same for one installation, whatever its clients come with. */
  attachBurstPerInstallation: whole(1, 1_000_000).default(20_000),
  attachPerSecondPerInstallation: whole(1, 100_000).default(1_000),
  /** Holds that one session may ask for in a minute. Default 6. */
  holdsPerMinute: whole(1, 1_000).default(6),
  /** Largest message of a client, bytes. Default 64 KiB. */
  maxClientMessageBytes: whole(1_024, 1_024 * 1_024).default(64 * 1_024),
  /** How long 10,000 sessions are given to move to other replicas when this one stops; fewer take less. Default 5 s. */
  moveMs: whole(0, 5 * MINUTE_MS).default(5 * SECOND_MS),
});

export const sessionSettings = settings.superRefine(({ saveTimeoutMs, drainTimeoutMs }, context) => {
  if (saveTimeoutMs < drainTimeoutMs) return;
  const message = `must be shorter than drainTimeoutMs (${drainTimeoutMs}), or the drain fails while users save`;
  context.addIssue({ code: 'custom', path: ['saveTimeoutMs'], message });
});

export type SessionSettings = z.infer<typeof sessionSettings>;
