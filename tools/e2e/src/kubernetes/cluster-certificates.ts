import { operationsV1 } from '@lastcall/contracts';
import { createClient, type Channel } from '@lastcall/sdk';
import { createCertificates, until } from '@lastcall/testkit';
import { RELEASE, SERVICES } from './deployment.js';
import type { Kubectl } from './kubectl.js';

/* Certificates of the five services in the Secrets that the chart names, where the cluster has no cert-manager. */

export interface ClusterCertificates {
  /** PEM of their authority. */
  readonly ca: string;
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
    renew: async (channel) => {
      const validUntil = Date.now() + 2 * DAY_MS;
      await issue(validUntil);
      const operations = createClient(operationsV1.OperationsServiceService, channel);
      const allShow = async (): Promise<boolean> => {
        const { serviceStates } = await operations.listServiceStates({ ownProcess: false });
        // A certificate's times are whole seconds.
        const isNew = (end: Date | undefined): boolean => Math.abs((end?.getTime() ?? 0) - validUntil) < 1_000;
        return (
          serviceStates.length === SERVICES.length && serviceStates.every((state) => isNew(state.certificateExpireTime))
        );
      };
      await until(allShow, 'every service to use its new certificate', SEEN_WITHIN_MS);
    },
  };
}

function secret(name: string, files: Readonly<Record<string, string>>): object {
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, type: 'kubernetes.io/tls', stringData: files };
}
