import { encodeToken, subjectFilter, subjectOfAllEvents, type EventType } from '@lastcall/contracts';
import { DAY_MS, MINUTE_MS } from '@lastcall/kernel';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  ReplayPolicy,
  RetentionPolicy,
  StorageType,
  type ConsumerConfig,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import type { BusTuning } from '../tuning.js';

/*
 * How the stream and its consumers are set up. deploy/nats/ has the same values for people who create them themselves; a
 * test compares the two.
 */

export type StreamSettings = Pick<
  StreamConfig,
  | 'name'
  | 'description'
  | 'subjects'
  | 'retention'
  | 'storage'
  | 'discard'
  | 'max_age'
  | 'duplicate_window'
  | 'num_replicas'
>;

export function streamName(prefix: string): string {
  return `${encodeToken(prefix)}-events`;
}

export function streamSettings(prefix: string, replicas: number): StreamSettings {
  return {
    name: streamName(prefix),
    description: 'Events of Lastcall. The databases are the truth; the archive in each can fill this again.',
    subjects: [subjectOfAllEvents(prefix)],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    // A full stream refuses what is new, which then waits in an outbox. It never drops what was acknowledged.
    discard: DiscardPolicy.New,
    max_age: nanos(7 * DAY_MS),
    duplicate_window: nanos(2 * MINUTE_MS),
    num_replicas: replicas,
  };
}

export type ConsumerSettings = Pick<
  ConsumerConfig,
  | 'durable_name'
  | 'ack_policy'
  | 'deliver_policy'
  | 'replay_policy'
  | 'ack_wait'
  | 'max_deliver'
  | 'max_ack_pending'
  | 'filter_subjects'
>;

type ConsumerTuning = Pick<BusTuning, 'ackWaitMs' | 'maxUnacknowledged'>;

export function consumerSettings(
  prefix: string,
  name: string,
  types: readonly EventType[],
  tuning: ConsumerTuning,
): Required<ConsumerSettings> {
  return {
    durable_name: encodeToken(name),
    ack_policy: AckPolicy.Explicit,
    deliver_policy: DeliverPolicy.All,
    replay_policy: ReplayPolicy.Instant,
    ack_wait: nanos(tuning.ackWaitMs),
    // Without end: the fifth failure goes to the consumer's own dead letters, which must be durable first.
    max_deliver: -1,
    max_ack_pending: tuning.maxUnacknowledged,
    filter_subjects: types.map((type) => subjectFilter(type, prefix)),
  };
}
