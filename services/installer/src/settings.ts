import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from '@lastcall/kernel';
import { z } from '@lastcall/runtime';

const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

/** Settings of the installer beyond the common ones. */
export const installerSettings = z.object({
  /** How long a host may download and verify. LASTCALL_STAGE_TIMEOUT_MS, default 2 h; never beyond the run's deadline. */
  stageTimeoutMs: whole(100, 24 * HOUR_MS).default(2 * HOUR_MS),
  /** How long a host may stop, swap, migrate, start and check. LASTCALL_INSTALL_TIMEOUT_MS, default 30 min. */
  installTimeoutMs: whole(100, 24 * HOUR_MS).default(30 * MINUTE_MS),
  /** How long a host may go back, what it is still at included. LASTCALL_ROLLBACK_TIMEOUT_MS, default 60 min. */
  rollbackTimeoutMs: whole(100, 24 * HOUR_MS).default(HOUR_MS),
  /** How long a release has to stay healthy on a host before it counts as installed; 0: once is enough. LASTCALL_SETTLE_MS, default 60 s. */
  settleMs: whole(0, HOUR_MS).default(MINUTE_MS),
  /** Hosts besides the first that are changed at the same time. LASTCALL_PARALLEL_HOSTS, default 10. */
  parallelHosts: whole(1, 1_000).default(10),
  /** After the deadline of an order that a host has begun: for a result that is under way. LASTCALL_RESULT_GRACE_MS, default 5 s. */
  resultGraceMs: whole(0, 10 * MINUTE_MS).default(5 * SECOND_MS),
  /** After the deadline of its orders a plan does not wait longer than this for their results. LASTCALL_PLAN_PATIENCE_MS, default 30 s. */
  planPatienceMs: whole(100, HOUR_MS).default(30 * SECOND_MS),
  /** A stream on which nothing comes for so long is ended; agents give a sign every 10 s. LASTCALL_HOST_SILENCE_MS, default 35 s. */
  hostSilenceMs: whole(100, HOUR_MS).default(35 * SECOND_MS),
  /** How long plans of ended runs are kept. LASTCALL_KEEP_PLANS_MS, default 730 days. */
  keepPlansMs: whole(DAY_MS, 36_500 * DAY_MS).default(730 * DAY_MS),
  /**
   * Where this service itself reads the catalog's files, when that is not where hosts do: in a cluster, whose own way to its public
   * address may be shut. LASTCALL_CATALOG_INSIDE_URL; empty: LASTCALL_CATALOG_URL.
   */
  catalogInsideUrl: z
    .string()
    .regex(/^(https?:\/\/[^/\s]+.*)?$/, 'must be empty or http(s)://host:port')
    .default(''),
  /** Oldest agent that may join and connect; empty: any. LASTCALL_MINIMUM_AGENT_VERSION. */
  minimumAgentVersion: z
    .string()
    .regex(/^(\d{1,9}\.\d{1,9}\.\d{1,9})?$/, 'must be three numbers such as 0.2.0, or empty')
    .default(''),
});

export type InstallerSettings = z.infer<typeof installerSettings>;
