import fc from 'fast-check';
import { envelopeFromHeaders, envelopeToHeaders } from './cloudevents.js';
import type { EventEnvelope } from './events.js';
import { Poison } from './poison.js';

const text = fc.string({ unit: 'binary', maxLength: 60 });
const name = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });
const trace = fc.stringMatching(/^[!-~]([ -~]{0,60}[!-~])?$/);

const envelopes: fc.Arbitrary<EventEnvelope> = fc.record(
  {
    id: name,
    type: name,
    source: name,
    sequence: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    installation: text,
    time: fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) }),
    data: fc.uint8Array({ maxLength: 100 }),
    traceparent: trace,
    tracestate: trace,
  },
  { requiredKeys: ['id', 'type', 'source', 'sequence', 'installation', 'time', 'data'] },
);

function reader(headers: Readonly<Record<string, string>>): (name: string) => string | undefined {
  return (name) => headers[name];
}

const event: EventEnvelope = {
  id: 'scheduler/runs/r-1@3',
  type: 'RunStarted',
  source: 'scheduler/runs/r-1',
  sequence: 3,
  installation: 'encore-berlin',
  time: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  data: new Uint8Array([1]),
};

describe('envelope and headers', () => {
  it('are CloudEvents 1.0 in binary mode', () =>
    expect(envelopeToHeaders(event)).toEqual({
      'ce-specversion': '1.0',
      'ce-id': 'scheduler/runs/r-1@3',
      'ce-type': 'lastcall.events.v1.RunStarted',
      'ce-source': 'scheduler/runs/r-1',
      'ce-time': '2026-01-02T03:04:05.006Z',
      'ce-sequence': '3',
      'ce-installation': 'encore-berlin',
      'content-type': 'application/protobuf',
    }));

  it('come back as they were', () =>
    fc.assert(
      fc.property(envelopes, (envelope) =>
        expect(envelopeFromHeaders(reader(envelopeToHeaders(envelope)), envelope.data)).toEqual(envelope),
      ),
    ));

  it('never break a header line, whatever is in them', () =>
    fc.assert(
      fc.property(envelopes, text, (envelope, tracestate) => {
        for (const value of Object.values(envelopeToHeaders({ ...envelope, tracestate }))) {
          expect(value).toMatch(/^[!-~]([ -~]*[!-~])?$/);
        }
      }),
    ));

  it('name everything that is missing or unreadable at once', () => {
    const read = () =>
      envelopeFromHeaders(reader({ 'ce-specversion': '0.3', 'ce-id': '%', 'ce-sequence': '1.5' }), event.data);
    expect(read).toThrow(Poison);
    expect(read).toThrow(/ce-specversion, ce-id, ce-type, ce-source, ce-sequence, ce-time$/);
  });

  it('survive headers and event types that only a newer peer knows', () => {
    const headers = { ...envelopeToHeaders({ ...event, type: 'RunPostponed' }), 'ce-mood': 'fine' };
    expect(envelopeFromHeaders(reader(headers), event.data)).toEqual({ ...event, type: 'RunPostponed' });
  });
});
