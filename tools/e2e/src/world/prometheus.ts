import { createTempFolder, findFreePorts, startChild, until } from '@lastcall/testkit';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/* A real Prometheus with our rules, where there is one on the PATH: it reads real endpoints every second. */

export const ALERTS_FILE = resolve(__dirname, '../../../../deploy/alerts/lastcall.yaml');

export interface Prometheus {
  /** What each alert looks at, by its name. */
  readonly rules: ReadonlyMap<string, string>;
  /** Alerts whose condition is true now: how long it has to stay so does not count. */
  firing(): Promise<string[]>;
  /** Resolves when the condition of this alert is true. */
  fires(alert: string, timeoutMs?: number): Promise<void>;
  /** Resolves when the endpoint was read once more, so that what counts from one reading to the next has a beginning. */
  readAgain(): Promise<void>;
  stop(): Promise<void>;
}

interface Answer {
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
}
interface Rules {
  readonly data: { readonly groups: readonly { readonly rules: readonly { name: string; query: string }[] }[] };
}

/** `endpoint`: `host:port` of the metrics. */
export async function startPrometheus(endpoint: string): Promise<Prometheus> {
  const folder = await createTempFolder('prometheus');
  const [port] = await findFreePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const configuration = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [ALERTS_FILE],
    scrape_configs: [{ job_name: 'lastcall', static_configs: [{ targets: [endpoint] }] }],
  };
  // JSON is YAML.
  await writeFile(join(folder.path, 'prometheus.yml'), JSON.stringify(configuration));
  const child = startChild('prometheus', [
    `--config.file=${join(folder.path, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder.path, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  const read = async <T>(path: string): Promise<T> => (await (await fetch(`${url}${path}`)).json()) as T;
  const query = async (expression: string): Promise<Answer['data']['result']> =>
    (await read<Answer>(`/api/v1/query?query=${encodeURIComponent(expression)}`)).data.result;
  await until(
    () =>
      fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    'Prometheus',
    60_000,
  );
  const { data } = await read<Rules>('/api/v1/rules');
  const rules = new Map(
    data.groups.flatMap((group) => group.rules.map(({ name, query: text }) => [name, text] as const)),
  );
  const isTrue = async (alert: string): Promise<boolean> => (await query(rules.get(alert) ?? '')).length > 0;
  const readings = async (): Promise<number> =>
    Number((await query(`timestamp(up{instance="${endpoint}"})`))[0]?.value[1] ?? 0);
  const readAgain = async (): Promise<void> => {
    const before = await readings();
    await until(async () => (await readings()) > before + 1, 'the metrics to be read again', 30_000);
  };
  await until(async () => (await query('up')).length > 0, 'the metrics to be read', 30_000);
  return {
    rules,
    firing: async () => {
      const all = await Promise.all([...rules.keys()].map(async (alert) => ((await isTrue(alert)) ? [alert] : [])));
      return all.flat();
    },
    fires: (alert, timeoutMs = 60_000) => until(() => isTrue(alert), `${alert}: ${rules.get(alert)}`, timeoutMs),
    readAgain,
    stop: async () => {
      await child.stop();
      await folder.remove();
    },
  };
}
