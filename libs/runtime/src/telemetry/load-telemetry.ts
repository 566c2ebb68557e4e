import { noTelemetry, type Telemetry, type TelemetrySettings } from './telemetry.js';

/** Loads OpenTelemetry only when traces or metrics go somewhere. */
export async function loadTelemetry(settings: TelemetrySettings, name: string): Promise<Telemetry> {
  if (settings.telemetry === 'off' && settings.metricsAddress === '') return noTelemetry;
  const { startOpenTelemetry } = await import('./open-telemetry.js');
  return startOpenTelemetry(settings, name);
}
