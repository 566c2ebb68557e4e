import { findFreePorts } from './free-ports.js';
import { until } from './until.js';

/** The metrics that services under test tell Prometheus. */
export interface Metrics {
  /** For the setting `metricsAddress`. */
  readonly address: string;
  /** Of the first series with these labels, as they stand there: `role="server",connected="true"`; NaN: there is none. */
  valueOf(name: string, labels?: string): Promise<number>;
  /** Resolves when that is so. */
  reaches(name: string, labels: string, is: (value: number) => boolean): Promise<void>;
}

/** `name` without `lastcall_`. */
export async function readMetrics(): Promise<Metrics> {
  const [port] = await findFreePorts(1);
  const address = `127.0.0.1:${port}`;
  const valueOf: Metrics['valueOf'] = async (name, labels = '') => {
    const text = await (await fetch(`http://${address}/metrics`)).text();
    const found = new RegExp(`^lastcall_${name}\\{[^}\n]*${literal(labels)}[^}\n]*\\} (\\S+)`, 'm').exec(text);
    return Number(found?.[1] ?? NaN);
  };
  return {
    address,
    valueOf,
    reaches: (name, labels, is) => until(async () => is(await valueOf(name, labels)), `${name} ${labels}`, 20_000),
  };
}

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
