import { createTempFolder, findFreePorts, startChild, until } from '@lastcall/testkit';
import { rename, writeFile } from 'node:fs/promises';
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
  /** Of each series for which the condition of this alert is true now. */
  labelsOf(alert: string): Promise<Readonly<Record<string, string>>[]>;
  /** Says where the processes of a job are, as the cluster does while pods come and go. */
  setTargets(job: string, targets: readonly string[]): Promise<void>;
  /** Resolves when the endpoint was read once more, so that what counts from one reading to the next has a beginning. */
  readAgain(): Promise<void>;
  stop(): Promise<void>;
}

interface Answer {
  readonly data: { readonly result: readonly Series[] };
}
interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}
interface Rules {
  readonly data: { readonly groups: readonly { readonly rules: readonly { name: string; query: string }[] }[] };
}

/** `endpoint`: `host:port` of the metrics, which each of the jobs reads. */
export async function startPrometheus(endpoint: string, jobs: readonly string[] = ['lastcall']): Promise<Prometheus> {
  const folder = await createTempFolder('prometheus');
  const [port] = await findFreePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const targetsFile = (job: string): string => join(folder.path, `${job}.json`);
  async function setTargets(job: string, targets: readonly string[]): Promise<void> {
    // Put in place whole: Prometheus looks as soon as anything changes.
    await writeFile(`${targetsFile(job)}.new`, JSON.stringify([{ targets }]));
    await rename(`${targetsFile(job)}.new`, targetsFile(job));
  }
  const configuration = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [ALERTS_FILE],
    scrape_configs: jobs.map((job) => ({ job_name: job, file_sd_configs: [{ files: [targetsFile(job)] }] })),
  };
  for (const job of jobs) await setTargets(job, [endpoint]);
  // JSON is YAML.
  await writeFile(join(folder.path, 'prometheus.yml'), JSON.stringify(configuration));
  const child = startChild('prometheus', [
    `--config.file=${join(folder.path, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(folder.path, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`,
  ]);
  const read = async <T>(path: string): Promise<T> => (await (await fetch(`${url}${path}`)).json()) as T;
  const query = async (expression: string): Promise<readonly Series[]> =>
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
  await until(async () => (await query('up')).length === jobs.length, 'the metrics to be read', 30_000);
  return {
    rules,
    firing: async () => {
      const all = await Promise.all([...rules.keys()].map(async (alert) => ((await isTrue(alert)) ? [alert] : [])));
      return all.flat();
    },
    fires: (alert, timeoutMs = 60_000) => until(() => isTrue(alert), `${alert}: ${rules.get(alert)}`, timeoutMs),
    labelsOf: async (alert) => (await query(rules.get(alert) ?? '')).map(({ metric }) => metric),
    setTargets,
    readAgain,
    stop: async () => {
      await child.stop();
      await folder.remove();
    },
  };
}
