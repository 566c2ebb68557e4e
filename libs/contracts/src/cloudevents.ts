import type { EventEnvelope } from './events.js';
import { Poison } from './poison.js';

/*
 * CloudEvents 1.0, binary mode: attributes as headers `ce-*`, the protobuf message as body; trace context in the W3C
 * headers. `sequence` is the extension of that name, `installation` is ours. Values are percent-encoded as the bindings
 * of CloudEvents demand (HTTP binding 3.1.3.2), so that no value can break a header. Unknown headers are ignored.
 */

interface Trace {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

const TYPE_PREFIX = 'lastcall.events.v1.';

/** Printable ASCII stays, except space, quotation mark and percent sign; everything else as the bytes of its UTF-8. */
function encodeValue(text: string): string {
  return text.replace(/[^\x21\x23\x24\x26-\x7e]+/gu, (run) =>
    [...Buffer.from(run, 'utf8')].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  );
}

/** Undefined when it is not percent-encoded UTF-8. */
function decodeValue(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  try {
    return decodeURIComponent(value);
  } catch {
    // A malformed value counts as missing; the caller names the attribute.
    return undefined;
  }
}

export function envelopeToHeaders(envelope: EventEnvelope): Readonly<Record<string, string>> {
  return {
    'ce-specversion': '1.0',
    'ce-id': encodeValue(envelope.id),
    'ce-type': encodeValue(TYPE_PREFIX + envelope.type),
    'ce-source': encodeValue(envelope.source),
    'ce-time': new Date(envelope.time).toISOString(),
    'ce-sequence': String(envelope.sequence),
    // CloudEvents has no empty attributes: no installation, no header.
    ...(envelope.installation === '' ? {} : { 'ce-installation': encodeValue(envelope.installation) }),
    'content-type': 'application/protobuf',
    ...traceHeaders(envelope),
  };
}

/** As W3C has them. A trace that no header can carry costs a trace, not the event. */
function traceHeaders({ traceparent, tracestate }: Trace): { traceparent?: string; tracestate?: string } {
  const carried = (value: string | undefined): value is string =>
    value !== undefined && /^[\x21-\x7e]/.test(value) && /^[\x20-\x7e]*[\x21-\x7e]$/.test(value);
  return { ...(carried(traceparent) ? { traceparent } : {}), ...(carried(tracestate) ? { tracestate } : {}) };
}

/** Reads the envelope back. Missing or unreadable attributes are poison, all named at once. */
export function envelopeFromHeaders(header: (name: string) => string | undefined, data: Uint8Array): EventEnvelope {
  const read = (name: string): string => decodeValue(header(name)) ?? '';
  const id = read('ce-id');
  const type = read('ce-type');
  const source = read('ce-source');
  const installation = read('ce-installation');
  const sequence = Number(header('ce-sequence') ?? 'none');
  const time = Date.parse(header('ce-time') ?? '');
  const wrong = [
    header('ce-specversion') === '1.0' ? '' : 'ce-specversion',
    id === '' ? 'ce-id' : '',
    type.startsWith(TYPE_PREFIX) && type.length > TYPE_PREFIX.length ? '' : 'ce-type',
    source === '' ? 'ce-source' : '',
    Number.isSafeInteger(sequence) && sequence > 0 ? '' : 'ce-sequence',
    Number.isNaN(time) ? 'ce-time' : '',
    installation === '' && header('ce-installation') !== undefined ? 'ce-installation' : '',
  ].filter((name) => name !== '');
  if (wrong.length > 0) throw new Poison(`CloudEvents headers missing or unreadable: ${wrong.join(', ')}`);
  const attributes = { id, type: type.slice(TYPE_PREFIX.length), source, sequence, installation, time };
  return {
    ...attributes,
    data,
    ...traceHeaders({ traceparent: header('traceparent'), tracestate: header('tracestate') }),
  };
}
