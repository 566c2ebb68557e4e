import type { EventEnvelope, OutgoingEvent } from '@lastcall/contracts';
import { DAY_MS, Defect } from '@lastcall/kernel';
import { INBOX_SIZE } from './port.js';

/*
 * What a write does to a document's version, to its outbox and to its inbox: the same on every implementation.
 */

/**
 * How long the version of a removed document is remembered when it has said events: the next document of this id must
 * not say its own under the same numbers while an inbox may still know them.
 */
export const REMEMBER_REMOVED_MS = 400 * DAY_MS;

export interface TraceContext {
  readonly traceparent?: string;
  readonly tracestate?: string;
}

/** The versions and events that a write leads to. */
export interface Said {
  readonly version: number;
  /** When the document last said something, 0 for never: its events never go back in time, even if the clock does. */
  readonly saidAt: number;
  readonly events: readonly EventEnvelope[];
}

export function say(
  source: string,
  before: { readonly version: number; readonly saidAt: number },
  events: readonly OutgoingEvent[],
  now: number,
  trace: TraceContext,
): Said {
  if (events.length === 0) return { version: before.version + 1, saidAt: before.saidAt, events: [] };
  const time = Math.max(now, before.saidAt);
  const said = events.map((event, i) => {
    const sequence = before.version + 1 + i;
    const attributes = { source, sequence, time, type: event.type, installation: event.installation };
    return envelope(attributes, event.data, traceOf(event, trace));
  });
  return { version: before.version + events.length, saidAt: time, events: said };
}

/** What is done within the run's trace goes on from there; a duty, or a stream that is open for days, has another one or none. */
function traceOf({ traceparent }: OutgoingEvent, active: TraceContext): TraceContext {
  if (traceparent === undefined || traceIdOf(active.traceparent) === traceIdOf(traceparent)) return active;
  return { traceparent };
}

function traceIdOf(traceparent: string | undefined): string | undefined {
  return traceparent?.split('-')[1];
}

interface Attributes {
  readonly source: string;
  readonly sequence: number;
  readonly time: number;
  readonly type: string;
  readonly installation: string;
}

/** An envelope; what is empty in the trace context is left away. */
export function envelope(
  attributes: Attributes,
  data: Uint8Array,
  trace: { readonly traceparent?: string | null | undefined; readonly tracestate?: string | null | undefined },
): EventEnvelope {
  const { source, sequence, time, type, installation } = attributes;
  return {
    id: `${source}@${sequence}`,
    type,
    source,
    sequence,
    installation,
    time,
    data,
    ...(trace.traceparent ? { traceparent: trace.traceparent } : {}),
    ...(trace.tracestate ? { tracestate: trace.tracestate } : {}),
  };
}

export function formatSource(service: string, collection: string, id: string): string {
  return `${service}/${collection}/${id}`;
}

/** Collection and document of an event of this service; ids may hold slashes. */
export function parseSource(service: string, source: string): { collection: string; id: string } {
  const [first, collection, ...id] = source.split('/');
  if (first !== service || collection === undefined || id.length === 0) {
    throw new Defect(`${source} is no document of ${service}: an event is cleared by the store that said it`);
  }
  return { collection, id: id.join('/') };
}

/** The marks after one more event; the oldest give way. */
export function remember(inbox: readonly string[], event: string): readonly string[] {
  return [...inbox, event].slice(-INBOX_SIZE);
}
