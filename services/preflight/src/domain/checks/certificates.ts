import { DAY_MS } from '@lastcall/kernel';
import type { HostCheck } from './check-module.js';

/** An update that fails must not meet a line that has ended meanwhile. */
const LEAST_DAYS = 14;

export const certificates: HostCheck = {
  name: 'certificates',
  about: 'host',
  passesWhen:
    'where the line to the services is encrypted: its certificate, its authority and that of the host, if it has one, are valid for 14 more days',
  ask: ({ facts, at }) =>
    (facts.certificates ?? []).map(({ whose, expiresAt, why }) => {
      const days = expiresAt === undefined ? undefined : Math.floor((expiresAt - at) / DAY_MS);
      return {
        asked: `the certificate of the ${whose} is valid for ${LEAST_DAYS} more days`,
        met: days === undefined ? undefined : days >= LEAST_DAYS,
        found: expiresAt === undefined ? why : `valid until ${new Date(expiresAt).toISOString()}`,
        remedy: 'Renew the certificate; a host reads its files again (--tls-ca, --tls-cert, --tls-key)',
      };
    }),
};
