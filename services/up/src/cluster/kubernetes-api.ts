import { Fault, invalid, isRejected, reject, RejectedError, type Rejected } from '@lastcall/kernel';
import type { Environment } from '@lastcall/runtime';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';

/*
 * The Secrets of one namespace, as a pod may use them: read, create, add to. Three calls need no client
 * library. Every answer is bounded in time and size.
 */

export const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface Secret {
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly resourceVersion?: string;
  };
  readonly type?: string;
  /** Base64, by key. */
  readonly data?: Readonly<Record<string, string>>;
}

export interface Secrets {
  /** Undefined: there is none of this name. */
  get(name: string): Promise<Secret | undefined>;
  /** Undefined: somebody else has made it meanwhile. */
  create(secret: Secret): Promise<Secret | undefined>;
  /** Adds or changes these keys. Undefined: it is not any more as it was when it was read. */
  patch(read: Secret, data: Readonly<Record<string, string>>): Promise<Secret | undefined>;
}

export interface SecretsOptions {
  readonly env: Environment;
  /** Folder with `token` and `ca.crt`. */
  readonly serviceAccountDir: string;
  readonly namespace: string;
  /** The server checks everything, permission included, and keeps nothing. */
  readonly dryRun: boolean;
}

const TIMEOUT_MS = 10_000;
/** A Secret has at most 1 MiB. */
const MAX_ANSWER_BYTES = 4 * 1024 ** 2;

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

type Call = (
  method: string,
  path: string,
  body?: { readonly type: string; readonly content: object },
) => Promise<Answer>;

/** What a pod knows of its API server; a Rejected that says what is missing where this is no pod. */
export async function openSecrets(options: SecretsOptions): Promise<Secrets | Rejected> {
  const call = await openApi(options);
  if (isRejected(call)) return call;
  const path = `/api/v1/namespaces/${options.namespace}/secrets`;
  const query = options.dryRun ? '?dryRun=All' : '';
  return {
    get: async (name) => {
      const answer = await call('GET', `${path}/${name}`);
      return answer.status === 404 ? undefined : secretOf(answer, `read Secret ${name}`);
    },
    create: async (secret) => {
      const content = { apiVersion: 'v1', kind: 'Secret', ...secret };
      const answer = await call('POST', `${path}${query}`, { type: 'application/json', content });
      return isTaken(answer) ? undefined : secretOf(answer, `create Secret ${secret.metadata.name}`);
    },
    patch: async ({ metadata: { name, resourceVersion } }, data) => {
      const content = { metadata: { resourceVersion }, data };
      const body = { type: 'application/merge-patch+json', content };
      const answer = await call('PATCH', `${path}/${name}${query}`, body);
      const isGone = answer.status === 404;
      return isGone || isTaken(answer) ? undefined : secretOf(answer, `add to Secret ${name}`);
    },
  };
}

async function openApi({ env, serviceAccountDir }: SecretsOptions): Promise<Call | Rejected> {
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = env['KUBERNETES_SERVICE_PORT'];
  if (!host || !port) {
    const description = 'is not set: this runs in a pod, with a ServiceAccount that may use Secrets of the namespace';
    return invalid([{ field: host ? 'KUBERNETES_SERVICE_PORT' : 'KUBERNETES_SERVICE_HOST', description }]);
  }
  try {
    const [ca, token] = await Promise.all(
      ['ca.crt', 'token'].map((name) => readFile(join(serviceAccountDir, name), 'utf8')),
    );
    return (method, path, body) => send({ host, port, ca, token: token?.trim() ?? '' }, method, path, body);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const description = `cannot be read (${why}); the pod needs the token of a ServiceAccount (automountServiceAccountToken)`;
    return invalid([{ field: serviceAccountDir, description }]);
  }
}

interface ApiServer {
  readonly host: string;
  readonly port: string;
  readonly ca: string | undefined;
  readonly token: string;
}

function send({ host, port, ca, token }: ApiServer, ...[method, path, body]: Parameters<Call>): Promise<Answer> {
  const headers = {
    authorization: `Bearer ${token}`,
    accept: 'application/json',
    ...(body && { 'content-type': body.type }),
  };
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return new Promise<Answer>((resolve, reject) => {
    const call = request({ host, port, path, method, ca, headers, signal, agent: false }, (response) => {
      const parts: Buffer[] = [];
      let bytes = 0;
      response.on('data', (part: Buffer) => {
        bytes += part.length;
        if (bytes > MAX_ANSWER_BYTES) call.destroy(new Error(`the answer has more than ${MAX_ANSWER_BYTES} bytes`));
        else parts.push(part);
      });
      response.once('error', reject);
      response.once('end', () => {
        resolve({ status: response.statusCode ?? 0, body: parsed(Buffer.concat(parts).toString('utf8')) });
      });
    });
    call.once('error', reject);
    call.end(body && JSON.stringify(body.content));
  }).catch((cause: unknown) => {
    throw new Fault(`the Kubernetes API at ${host}:${port} does not answer`, { cause });
  });
}

/** Undefined: no JSON, as from a proxy on the way. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Its status says enough.
  }
}

/** 409 with one of two reasons: it is there already, or it has changed since it was read. */
function isTaken({ status }: Answer): boolean {
  return status === 409;
}

function secretOf({ status, body }: Answer, what: string): Secret {
  const { message, metadata } = (body ?? {}) as { message?: unknown; metadata?: unknown };
  if (status >= 200 && status < 300 && typeof metadata === 'object') return body as Secret;
  // What the server says names the account and the right that it lacks, never the content.
  const said = typeof message === 'string' ? message.slice(0, 500) : 'without a reason';
  if (status === 401 || status === 403) {
    const message = `The ServiceAccount may not ${what}: ${said}`;
    throw new RejectedError(reject('not-permitted', 'SERVICE_ACCOUNT', message));
  }
  throw new Fault(`the Kubernetes API does not ${what}: ${status}, ${said}`);
}
