import type { ServiceName } from '@lastcall/contracts';
import { Fault } from '@lastcall/kernel';
import { readTlsFiles, TlsFileError, type ChannelTls } from '@lastcall/sdk';
import { X509Certificate } from 'node:crypto';
import { namesService, nameOfService } from './auth/service-certificate.js';
import { createPoller, systemTimers, type Timers } from './duties/timers.js';
import type { LifecyclePart } from './lifecycle.js';
import type { Logger } from './logging.js';
import { variableOf, type CommonSettings } from './settings/index.js';
import type { Telemetry } from './telemetry/telemetry.js';

/*
 * The certificate, key and authorities of this process as they are now. The files are looked at again and again, whole: a volume of Kubernetes is changed
 * by a link, and what watches a file loses it then. What cannot be used stays out of use, and is said; the start fails instead.
 */

/** How servers and clients see them; they ask again for each connection, or listen. */
export interface Certificates extends LifecyclePart {
  /** PEM. */
  readonly current: () => ChannelTls;
  /** What callers have to show. */
  readonly clientCerts: CommonSettings['tlsClientCerts'];
  /** Whether servers speak TLS; else only clients do. */
  readonly isServed: boolean;
  /** Called after each change. */
  onChange(listener: (tls: ChannelTls) => void): void;
  state(): CertificateState;
}

export interface CertificateState {
  /** Of the certificate that is in use; undefined: servers speak plain text. */
  readonly endsAt: Date | undefined;
  /** Why the files, as they are now, cannot be used; empty: they are in use. */
  readonly problem: string;
}

type TlsSettings = Pick<
  CommonSettings,
  'tlsCertFile' | 'tlsKeyFile' | 'tlsCaFile' | 'tlsClientCerts' | 'tlsServiceName'
>;

export interface CertificatesOptions {
  readonly settings: TlsSettings;
  /** Those of this process, which show its certificate to each other too. */
  readonly services: readonly ServiceName[];
  readonly log: Logger;
  readonly telemetry: Pick<Telemetry, 'set'>;
  readonly timers?: Timers;
}

const LOOK_EVERY_MS = 2_000;

/** Undefined: plain text. Throws a Fault when the files cannot be used. */
export function openCertificates(options: CertificatesOptions): Certificates | undefined {
  const { settings, log, telemetry } = options;
  const files = { ca: settings.tlsCaFile, cert: settings.tlsCertFile, key: settings.tlsKeyFile };
  if (files.cert === '' && files.ca === '') return undefined;
  const read = (known?: ChannelTls): ChannelTls => checked(options, readTlsFiles(files, known));
  let tls = atStart(() => read());
  let state = stateOf(tls, '');
  const listeners: ((tls: ChannelTls) => void)[] = [];

  function setState(next: CertificateState): void {
    state = next;
    telemetry.set('certificate_unused', next.problem === '' ? 0 : 1, {});
    if (next.endsAt) telemetry.set('certificate_end_seconds', next.endsAt.getTime() / 1_000, {});
  }
  function look(): void {
    try {
      const next = read(tls);
      if (next === tls) return void (state.problem !== '' && setState(stateOf(tls, '')));
      tls = next;
      setState(stateOf(tls, ''));
      for (const listener of listeners) listener(tls);
      log.info({ endsAt: state.endsAt, files }, 'new connections use the changed certificates');
    } catch (error) {
      const problem = problemOf(error);
      if (problem === undefined) throw error;
      if (problem === state.problem) return;
      setState(stateOf(tls, problem));
      log.warn({ problem }, 'the changed certificates cannot be used; those from before stay in use');
    }
  }
  const poller = createPoller({
    name: 'certificates',
    timers: options.timers ?? systemTimers,
    everyMs: LOOK_EVERY_MS,
    log,
    run: async () => look(),
  });
  setState(state);
  return {
    name: 'certificates',
    current: () => tls,
    clientCerts: settings.tlsClientCerts,
    isServed: files.cert !== '',
    onChange: (listener) => void listeners.push(listener),
    state: () => state,
    start: async () => poller.start(),
    stop: () => poller.stop(),
  };
}

const SETTING_OF = { ca: 'tlsCaFile', cert: 'tlsCertFile', key: 'tlsKeyFile' } as const;

function atStart(read: () => ChannelTls): ChannelTls {
  try {
    return read();
  } catch (error) {
    const problem = problemOf(error);
    // It has said everything.
    throw problem === undefined ? error : new Fault(problem);
  }
}

/** Undefined: a mistake of ours. */
function problemOf(error: unknown): string | undefined {
  if (!(error instanceof TlsFileError)) return undefined;
  return `${variableOf(SETTING_OF[error.field])} is ${error.message}`;
}

/** Where callers have to show who they are, the services of this process have to be able to. */
function checked({ settings, services }: CertificatesOptions, tls: ChannelTls): ChannelTls {
  if (settings.tlsClientCerts === 'none' || !tls.cert) return tls;
  const own = new X509Certificate(tls.cert);
  const missing = services
    .map((service) => nameOfService(settings.tlsServiceName, service))
    .filter((name) => !namesService(own, name));
  if (missing.length === 0) return tls;
  const why =
    `has no DNS name ${[...new Set(missing)].join(', ')} (it has: ${own.subjectAltName ?? 'none'}), so that the services' own credentials ` +
    `would not count; issue it for that, or set ${variableOf('tlsServiceName')}`;
  throw new TlsFileError('cert', settings.tlsCertFile, why);
}

function stateOf({ cert }: ChannelTls, problem: string): CertificateState {
  return { endsAt: cert && new Date(new X509Certificate(cert).validTo), problem };
}

/** Undefined: callers are not asked for certificates, and a service's credential counts by itself. */
export function serviceNameOf({ tlsClientCerts, tlsServiceName }: TlsSettings): string | undefined {
  return tlsClientCerts === 'none' ? undefined : tlsServiceName;
}
