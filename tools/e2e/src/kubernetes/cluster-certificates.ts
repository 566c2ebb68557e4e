import { operationsV1 } from '@lastcall/contracts';
import { createClient, type Channel } from '@lastcall/sdk';
import { createCertificates, until } from '@lastcall/testkit';
import { RELEASE, SERVICES } from './deployment.js';
import type { Kubectl } from './kubectl.js';

/* Certificates of the five services in the Secrets that the chart names: of this test's own authority, or of the cluster's cert-manager. */

export interface ClusterCertificates {
  /** PEM of their authority. */
  readonly ca: string;
  /** The chart's `tls`. */
  readonly tls: object;
  /** Other ones in the same Secrets. Resolves when every service says that it uses its own. */
  renew(channel: Channel): Promise<void>;
}

const DAY_MS = 86_400_000;
/** A kubelet looks at Secrets once a minute, and what it knows of them may be as old. */
const SEEN_WITHIN_MS = 240_000;

export async function issueCertificates(kubectl: Kubectl): Promise<ClusterCertificates> {
  const authority = createCertificates();
  const issue = async (validUntil: number): Promise<void> => {
    await kubectl.apply(
      SERVICES.map((service) => {
        const dnsName = `${RELEASE}-${service}.${kubectl.namespace}.svc`;
        const { cert, key } = authority.issue(service, { dnsName, validUntil });
        return secret(`${RELEASE}-${service}-tls`, { 'tls.crt': cert, 'tls.key': key, 'ca.crt': authority.ca });
      }),
    );
  };
  await issue(Date.now() + DAY_MS);
  return {
    ca: authority.ca,
    tls: { enabled: true },
    renew: async (channel) => {
      const validUntil = Date.now() + 2 * DAY_MS;
      await issue(validUntil);
      // A certificate's times are whole seconds.
      await untilAllShow(channel, (end) => Math.abs(end - validUntil) < 1_000);
    },
  };
}

/** Of cert-manager, which writes the Secrets when the chart has said what it wants. */
export async function askCertManager(kubectl: Kubectl, clusterIssuer: string): Promise<ClusterCertificates> {
  const issuerRef = { name: clusterIssuer, kind: 'ClusterIssuer', group: 'cert-manager.io' };
  return {
    ca: await authorityOf(kubectl, issuerRef),
    tls: { enabled: true, certManager: { enabled: true, issuerRef } },
    renew: async (channel) => {
      const latest = Math.max(...(await endsOf(channel)));
      await Promise.all(SERVICES.map((service) => issueAgain(kubectl, `${RELEASE}-${service}`)));
      await untilAllShow(channel, (end) => end > latest);
    },
  };
}

/** The edge has to know it before there is a service: a certificate of its own says it. */
async function authorityOf(kubectl: Kubectl, issuerRef: object): Promise<string> {
  const name = 'public-edge-authority';
  const spec = { secretName: name, dnsNames: [`${name}.${kubectl.namespace}.svc`], issuerRef };
  await kubectl.apply([{ apiVersion: 'cert-manager.io/v1', kind: 'Certificate', metadata: { name }, spec }]);
  await kubectl.run(['wait', `certificate/${name}`, '--for=condition=Ready', '--timeout=60s'], { timeoutMs: 70_000 });
  const { data } = await kubectl.json<{ data: Record<string, string> }>(['get', 'secret', name]);
  const ca = Buffer.from(data['ca.crt'] ?? '', 'base64').toString();
  if (ca === '')
    throw new Error('the issuer writes no ca.crt; services trust one another by it (deploy/README.md#tls)');
  return ca;
}

/** As `cmctl renew` says it. */
async function issueAgain(kubectl: Kubectl, certificate: string): Promise<void> {
  const condition = {
    ...{ type: 'Issuing', status: 'True', reason: 'ManuallyTriggered', message: 'Disturbed by a test' },
    lastTransitionTime: new Date().toISOString(),
  };
  const patch = JSON.stringify([{ op: 'add', path: '/status/conditions/-', value: condition }]);
  await kubectl.run(['patch', `certificate/${certificate}`, '--subresource=status', '--type=json', `--patch=${patch}`]);
}

/** The ends of the certificates that the services use, ms since the epoch; 0: none. */
async function endsOf(channel: Channel): Promise<readonly number[]> {
  const operations = createClient(operationsV1.OperationsServiceService, channel);
  const { serviceStates } = await operations.listServiceStates({ ownProcess: false });
  return serviceStates.map(({ certificateExpireTime: end }) => end?.getTime() ?? 0);
}

async function untilAllShow(channel: Channel, isNew: (endMs: number) => boolean): Promise<void> {
  const allShow = async (): Promise<boolean> => {
    const ends = await endsOf(channel);
    return ends.length === SERVICES.length && ends.every(isNew);
  };
  await until(allShow, 'every service to use its new certificate', SEEN_WITHIN_MS);
}

function secret(name: string, files: Readonly<Record<string, string>>): object {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: 'kubernetes.io/tls', stringData: files };
}
