import { randomBytes } from 'node:crypto';
import { IDENTITY_FILES, IDENTITY_PARTS, makeIdentityPart, newSigningKey, SERVICE_NAMES } from '@lastcall/runtime';
import type { WantedSecret } from './ensure-secret.js';

/*
 * Which Secrets one Lastcall has. The catalog's has the whole identity, since with the signing key it could make the rest, and since it
 * lists and revokes what was issued. All others are copies of parts of it.
 */

export const secretNames = (fullName: string) => ({
  identity: (service: string) => `${fullName}-identity-${service}`,
  operator: `${fullName}-operator`,
  bus: `${fullName}-bus`,
  store: `${fullName}-store`,
});

export function labelsOf(fullName: string): Readonly<Record<string, string>> {
  return {
    'app.kubernetes.io/name': 'lastcall',
    'app.kubernetes.io/instance': fullName,
    'app.kubernetes.io/managed-by': 'lastcall',
  };
}

export function catalogSecret(fullName: string): WantedSecret {
  return {
    name: secretNames(fullName).identity('catalog'),
    labels: labelsOf(fullName),
    keys: [IDENTITY_FILES.signingKey, ...IDENTITY_PARTS],
    make: (key, present) =>
      key === IDENTITY_FILES.signingKey
        ? newSigningKey()
        : makeIdentityPart(key, present.get(IDENTITY_FILES.signingKey) ?? ''),
  };
}

/** Those that have a part of the identity; `whole` is the catalog's. */
export function identitySecrets(fullName: string, whole: ReadonlyMap<string, string>): WantedSecret[] {
  const names = secretNames(fullName);
  const copy = (name: string, keys: readonly string[]): WantedSecret => ({
    name,
    labels: labelsOf(fullName),
    keys,
    make: (key) => whole.get(key) ?? '',
  });
  const others = SERVICE_NAMES.filter((service) => service !== 'catalog');
  return [
    ...others.map((service) => copy(names.identity(service), [IDENTITY_FILES.keys, `${service}.token`])),
    copy(names.operator, [IDENTITY_FILES.operator]),
  ];
}

/** Passwords: of each service and of whoever administers the server. */
export function passwordSecrets(fullName: string): WantedSecret[] {
  const { bus, store } = secretNames(fullName);
  return [bus, store].map((name) => ({
    name,
    labels: labelsOf(fullName),
    keys: [...SERVICE_NAMES, 'system'],
    make: newPassword,
  }));
}

/** 256 bits that need no escaping in a URL. Begins with a letter: nats-server reads a bare word that begins with a digit as a number. */
function newPassword(): string {
  return `p${randomBytes(32).toString('base64url')}`;
}
