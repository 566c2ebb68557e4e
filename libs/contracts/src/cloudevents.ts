import type { EventEnvelope } from './events.js';
import { Poison } from './poison.js';

/*
 * CloudEvents 1.0, binary mode: attributes as headers `ce-*`, the protobuf message as body; trace context in the W3C
 * headers. `ce-sequence` and `ce-installation` are our extension attributes.
 */

const TYPE_PREFIX = 'lastcall.events.v1.';

export function envelopeToHeaders(envelope: EventEnvelope): Readonly<Record<string, string>> {
  return {
    'ce-specversion': '1.0',
    'ce-id': envelope.id,
    'ce-type': TYPE_PREFIX + envelope.type,
    'ce-source': envelope.source,
    'ce-time': new Date(envelope.time).toISOString(),
    'ce-sequence': String(envelope.sequence),
    'ce-installation': envelope.installation,
    'content-type': 'application/protobuf',
    ...(envelope.traceparent === undefined ? {} : { traceparent: envelope.traceparent }),
    ...(envelope.tracestate === undefined ? {} : { tracestate: envelope.tracestate }),
  };
}

/** Reads the envelope back. Missing or unreadable attributes are poison, all named at once. */
export function envelopeFromHeaders(header: (name: string) => string | undefined, data: Uint8Array): EventEnvelope {
  const id = header('ce-id') ?? '';
  const type = header('ce-type') ?? '';
  const source = header('ce-source') ?? '';
  const sequence = Number(header('ce-sequence') ?? 'none');
  const time = Date.parse(header('ce-time') ?? '');
  const wrong = [
    header('ce-specversion') === '1.0' ? '' : 'ce-specversion',
    id === '' ? 'ce-id' : '',
    type.startsWith(TYPE_PREFIX) ? '' : 'ce-type',
    source === '' ? 'ce-source' : '',
    Number.isSafeInteger(sequence) && sequence > 0 ? '' : 'ce-sequence',
    Number.isNaN(time) ? 'ce-time' : '',
  ].filter((name) => name !== '');
  if (wrong.length > 0) throw new Poison(`CloudEvents headers missing or unreadable: ${wrong.join(', ')}`);
  const traceparent = header('traceparent');
  const tracestate = header('tracestate');
  return {
    id,
    type: type.slice(TYPE_PREFIX.length),
    source,
    sequence,
    installation: header('ce-installation') ?? '',
    time,
    data,
    ...(traceparent === undefined ? {} : { traceparent }),
    ...(tracestate === undefined ? {} : { tracestate }),
  };
}
