import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/*
 * One namespace of a real API server, and a ServiceAccount in it as a pod would have it: token, CA and the two variables. Driven by
 * kubectl as an administrator; the tests themselves act as the account.
 */

export interface Namespace {
  readonly name: string;
  /** What a pod of the account finds in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Folder with `token` and `ca.crt`. */
  readonly serviceAccountDir: string;
  apply(object: object): void;
  /** Content by key; undefined: there is no such Secret. */
  secret(name: string): Readonly<Record<string, string>> | undefined;
  kubectl(...args: readonly string[]): string;
  cleanUp(): void;
}

const ACCOUNT = 'prepare';

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
}

/** `rules`: all that the account may do. */
export function createNamespace(kubeconfig: string, name: string, rules: readonly Rule[]): Namespace {
  const run = (args: readonly string[], input = ''): string => {
    const done = spawnSync('kubectl', ['--kubeconfig', kubeconfig, ...args], { input, encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`kubectl ${args.join(' ')}: ${done.stderr || done.error?.message}`);
    return done.stdout;
  };
  const kubectl = (...args: readonly string[]): string => run(['--namespace', name, ...args]);
  const apply = (object: object): void => void run(['--namespace', name, 'apply', '-f', '-'], JSON.stringify(object));
  run(['create', 'namespace', name]);
  kubectl('create', 'serviceaccount', ACCOUNT);
  apply({ apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name: ACCOUNT }, rules });
  kubectl('create', 'rolebinding', ACCOUNT, `--role=${ACCOUNT}`, `--serviceaccount=${name}:${ACCOUNT}`);

  const { clusters } = JSON.parse(run(['config', 'view', '--raw', '--minify', '--flatten', '-o', 'json'])) as {
    clusters: [{ cluster: { server: string; 'certificate-authority-data': string } }];
  };
  const { cluster } = clusters[0];
  const { hostname, port } = new URL(cluster.server);
  const serviceAccountDir = mkdtempSync(join(tmpdir(), 'lastcall-account-'));
  writeFileSync(join(serviceAccountDir, 'ca.crt'), Buffer.from(cluster['certificate-authority-data'], 'base64'));
  writeFileSync(join(serviceAccountDir, 'token'), kubectl('create', 'token', ACCOUNT));
  return {
    name,
    env: { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
    serviceAccountDir,
    apply,
    secret: (secret) => {
      const text = kubectl('get', 'secret', secret, '--ignore-not-found', '-o', 'json');
      if (text === '') return undefined;
      const { data = {} } = JSON.parse(text) as { data?: Record<string, string> };
      const decoded = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')]);
      return Object.fromEntries(decoded) as Record<string, string>;
    },
    kubectl,
    cleanUp: () => {
      run(['delete', 'namespace', name, '--wait=false']);
      rmSync(serviceAccountDir, { recursive: true });
    },
  };
}
