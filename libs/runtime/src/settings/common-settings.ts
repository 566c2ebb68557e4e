import { z } from 'zod';
import { LOG_LEVELS } from '../logging.js';

/*
 * Settings that every process has. `fooBar` is LASTCALL_FOO_BAR in the environment. Durations are milliseconds.
 */

/** `host:port`; IPv6 in brackets; port 0 is any free one. */
export const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):\d{1,5}$/, {
    error: 'must be host:port, for example 127.0.0.1:7421',
    abort: true,
  })
  .refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535, 'must have a port of 0 to 65535');

const optionalAddress = z.union([z.literal(''), address]).default('');

/** A switch: true, false, 1, 0, yes or no, and real booleans of a JSON file. */
export const flag = z.union([z.boolean(), z.stringbool()], 'must be true or false');

/** A whole number; texts of the environment are read as one. */
export const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

function urls(pattern: RegExp, example: string) {
  return z
    .string()
    .refine((text) => text === '' || pattern.test(text), `must be empty (embedded) or a URL such as ${example}`)
    .default('');
}

export const commonSettings = z.object({
  /** Folder for databases and files. */
  dataDir: z.string().min(1).default('./lastcall-data'),
  /** Folder with keys and credentials; empty: `identity` in dataDir. */
  identityDir: z.string().default(''),
  /** Empty: embedded, in this process. */
  bus: urls(/^(nats|tls):\/\/[^/\s]+/, 'nats://host:4222'),
  /** Empty: SQLite files in dataDir. */
  store: urls(/^mongodb(\+srv)?:\/\/[^/\s]+/, 'mongodb://host:27017'),
  /** First token of subjects and name of the stream; databases are `{prefix}_{service}`. */
  prefix: z
    .string()
    .regex(/^[a-z][a-z0-9_-]{0,31}$/, 'must be 1 to 32 characters of a-z, 0-9, _ and -, beginning with a letter')
    .default('lastcall'),
  /** Copies that NATS keeps of each event; 3 in production. */
  busReplicas: whole(1, 5).default(1),
  grpcAddress: address.default('127.0.0.1:7421'),
  httpAddress: address.default('127.0.0.1:7420'),
  /** Where grpc.health.v1 is asked in plain text and without credentials, for kubelets and container engines; empty: only at grpcAddress. */
  healthAddress: optionalAddress,
  /** Where each service is; empty: in this process. */
  catalogAddress: optionalAddress,
  schedulerAddress: optionalAddress,
  preflightAddress: optionalAddress,
  sessionAddress: optionalAddress,
  installerAddress: optionalAddress,
  /** Base address of the catalog's HTTP edge as hosts reach it; empty: this process. */
  catalogUrl: z
    .string()
    .refine((text) => text === '' || /^https?:\/\/[^/\s]+/.test(text), 'must be empty or http(s)://host:port')
    .default(''),
  /** PEM files. Certificate and key: the server speaks TLS. CA: what clients of other services trust. */
  tlsCertFile: z.string().default(''),
  tlsKeyFile: z.string().default(''),
  tlsCaFile: z.string().default(''),
  /**
   * Certificates of the CA that callers show. `asked`: whoever has none is let in with a credential, but not with that of a service. `required`: nobody is
   * let in without.
   */
  tlsClientCerts: z.enum(['none', 'asked', 'required']).default('none'),
  /** DNS name in the certificate with which a service's own credential counts, where callers are asked for one. */
  tlsServiceName: z
    .string()
    .regex(/^([a-z0-9.-]|\{service\}){1,253}$/, 'must be a DNS name; {service} stands for catalog, session and so on')
    .default('{service}'),
  logLevel: z.enum(LOG_LEVELS).default('info'),
  /** `otlp`: traces go to OTEL_EXPORTER_OTLP_ENDPOINT. */
  telemetry: z.enum(['off', 'otlp']).default('off'),
  /** Where Prometheus reads metrics; empty: nowhere. */
  metricsAddress: optionalAddress,
  /** A connection older than this is asked to come again, so that load spreads after a change; 0: never. */
  maxConnectionAgeMs: whole(0, 7 * 86_400_000).default(0),
  /** How long its streams may then go on. */
  maxConnectionAgeGraceMs: whole(0, 3_600_000).default(30_000),
  /** How long one step of a stop may take. */
  stopTimeoutMs: whole(100, 600_000).default(10_000),
  /** Largest body of an upload over HTTP, bytes. */
  maxUploadBytes: whole(1, 1024 ** 4).default(8 * 1024 ** 3),
  /** Calls that one credential may make a second, and each process allows; streams have limits of their own. 0: no limit. */
  callsPerSecond: whole(0, 1_000_000).default(1_000),
  /** Calls that may come at once after a quiet time. All credentials of an installation together may make four times as many. */
  callsBurst: whole(1, 10_000_000).default(20_000),
});

export type CommonSettings = z.infer<typeof commonSettings>;

/** Rules over several settings. */
export function checkTogether(settings: CommonSettings): { setting: keyof CommonSettings; message: string }[] {
  const wrong: { setting: keyof CommonSettings; message: string }[] = [];
  if ((settings.tlsCertFile === '') !== (settings.tlsKeyFile === '')) {
    const setting = settings.tlsCertFile === '' ? 'tlsCertFile' : 'tlsKeyFile';
    wrong.push({ setting, message: 'must be set too: certificate and key belong together' });
  }
  if (settings.tlsClientCerts !== 'none' && (settings.tlsCaFile === '' || settings.tlsCertFile === '')) {
    wrong.push({
      setting: 'tlsClientCerts',
      message: `can be ${settings.tlsClientCerts} only with LASTCALL_TLS_CA_FILE and _CERT_FILE set`,
    });
  }
  if (settings.busReplicas % 2 === 0) wrong.push({ setting: 'busReplicas', message: 'must be odd: 1, 3 or 5' });
  return wrong;
}
