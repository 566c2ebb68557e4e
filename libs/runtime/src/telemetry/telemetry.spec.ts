import { loadTelemetry } from './load-telemetry.js';
import { noTelemetry } from './telemetry.js';

const loaded = (): boolean => Object.keys(require.cache).some((file) => file.includes('@opentelemetry'));

describe('telemetry that nobody receives', () => {
  it('loads nothing', async () => {
    const telemetry = await loadTelemetry({ telemetry: 'off', metricsAddress: '' }, 'lastcall');
    expect(telemetry).toBe(noTelemetry);
    expect(loaded()).toBe(false);
  });

  it('runs what it is given and has no context', async () => {
    expect(await noTelemetry.span({ name: 'x', kind: 'server' }, () => Promise.resolve(7))).toBe(7);
    expect(noTelemetry.traceContext()).toEqual({});
  });
});
