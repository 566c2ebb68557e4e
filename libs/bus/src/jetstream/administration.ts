import { PermissionViolationError } from '@nats-io/nats-core';
import { JetStreamApiCodes, JetStreamApiError, type ConsumerInfo, type JetStreamManager } from '@nats-io/jetstream';
import type { ConsumerSettings, StreamSettings } from './settings.js';

/*
 * Brings stream and consumers on the server to their settings. All of it can be repeated, and several processes can do
 * it at the same time.
 */

/** Creates the stream, or changes what differs. `num_replicas` of an existing stream changes only when `setReplicas`. */
export async function ensureStream(
  manager: JetStreamManager,
  settings: StreamSettings,
  setReplicas: boolean,
): Promise<void> {
  const existing = await orUndefined(manager.streams.info(settings.name), JetStreamApiCodes.StreamNotFound);
  if (existing === undefined) {
    // Idempotent for equal settings, so two processes that start together do not disturb each other.
    await manager.streams.add(settings);
    return;
  }
  const wanted = setReplicas ? settings : { ...settings, num_replicas: existing.config.num_replicas };
  const changes = differing(existing.config, wanted);
  if (Object.keys(changes).length === 0) return;
  await manager.streams.update(settings.name, changes).catch((error: unknown) => {
    // Of the services' own users one may. The stream is there; the connection has said what was refused.
    if (!((error as Error).cause instanceof PermissionViolationError)) throw error;
  });
}

/**
 * Creates the consumer, or changes what differs. Event types are only ever added to it: during an upgrade the old and the
 * new version share it, and a type that one of them took away would be lost for the other.
 */
export async function ensureConsumer(
  manager: JetStreamManager,
  stream: string,
  settings: Required<ConsumerSettings>,
): Promise<ConsumerInfo> {
  const name = settings.durable_name;
  const existing = await orUndefined(manager.consumers.info(stream, name), JetStreamApiCodes.ConsumerNotFound);
  if (existing === undefined) return manager.consumers.add(stream, settings);
  const { ack_wait, max_ack_pending, max_deliver } = settings;
  const filter_subjects = [...new Set([...filtersOf(existing), ...settings.filter_subjects])];
  const present = { ...existing.config, filter_subjects: filtersOf(existing) };
  const changes = differing(present, { ack_wait, max_ack_pending, max_deliver, filter_subjects });
  if (Object.keys(changes).length === 0) return existing;
  return manager.consumers.update(stream, name, changes);
}

function filtersOf({ config }: ConsumerInfo): readonly string[] {
  if (config.filter_subjects !== undefined) return config.filter_subjects;
  return config.filter_subject === undefined ? [] : [config.filter_subject];
}

/** Those of `wanted` that `present` does not have. */
function differing<T extends object>(present: object, wanted: T): Partial<T> {
  const entries = Object.entries(wanted).filter(
    ([key, value]) => JSON.stringify((present as Record<string, unknown>)[key]) !== JSON.stringify(value),
  );
  return Object.fromEntries(entries) as Partial<T>;
}

async function orUndefined<T>(promise: Promise<T>, absent: JetStreamApiCodes): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === (absent as number)) return undefined;
    throw error;
  }
}
