import { isRejected, RejectedError } from '@lastcall/kernel';
import type { PreparedCluster } from '@lastcall/up';
import type { Cli } from '../define.js';
import { table } from '../render/text.js';
import type { Work } from '../work.js';

/* Lastcall on Kubernetes, before it runs: what a Job of the chart does, and nobody by hand. */

interface PrepareOptions {
  readonly namespace: string;
  readonly name: string;
  readonly dryRun?: boolean;
  readonly serviceAccount?: string;
}

export function addCluster(cli: Cli): void {
  const noun = cli.noun('cluster', 'Lastcall on Kubernetes: keys, credentials and passwords before the first start');
  cli.define<PrepareOptions>(
    noun,
    {
      use: 'prepare',
      does: 'Makes the Secrets of one Lastcall where they are missing, in a pod that may; changes nothing that is there',
      example: 'lastcall cluster prepare --namespace lastcall --name lastcall --dry-run',
      options: (command) =>
        command
          .requiredOption('--namespace <name>', 'where the Secrets are')
          .requiredOption('--name <name>', 'what the names of the Secrets begin with')
          .option('--dry-run', 'only say what would be made; the server checks that it may be')
          .option('--service-account <folder>', 'token and ca.crt of the pod (default: where Kubernetes puts them)'),
    },
    prepare,
  );
}

async function prepare(work: Work, options: PrepareOptions): Promise<void> {
  const { prepareCluster } = await import('@lastcall/up');
  const { serviceAccount: serviceAccountDir, ...others } = options;
  const prepared = await prepareCluster({ ...others, serviceAccountDir, env: work.io.env });
  if (isRejected(prepared)) throw new RejectedError(prepared);
  const { namespace, name, dryRun = false } = options;
  work.print({ namespace, name, dryRun, ...prepared }, () => text(prepared, dryRun));
}

function text({ secrets }: PreparedCluster, dryRun: boolean): string {
  const made = { created: 'created', completed: 'completed', unchanged: 'was there' };
  const would = { created: 'would be created', completed: 'would be completed', unchanged: 'is there' };
  const words = dryRun ? would : made;
  return table(
    ['secret', 'state', 'made'],
    secrets.map(({ name, state, keys }) => [name, words[state], keys.join(', ')]),
  );
}
