import { isSafeUrl, whole, z } from '@lastcall/runtime';
import { parseRules } from './domain/sign-in.js';

const settings = z.object({
  /**
   * How long the signed timestamp holds, in days: so long a host may be served by a mirror that is cut off from the catalog, and so
   * long an attacker could keep it on an old one. LASTCALL_TIMESTAMP_VALID_DAYS, default 7.
   */
  timestampValidDays: whole(1, 90).default(7),
  /** Minutes that a change of keys waits for a second person. LASTCALL_SECOND_PERSON_FOR_KEYS_MINUTES; 0: one person is enough. */
  secondPersonForKeysMinutes: whole(0, 1_440).default(0),
  /** Address of the OpenID provider of people, as it says it of itself. LASTCALL_OIDC_ISSUER; empty: nobody signs in. */
  oidcIssuer: z
    .string()
    .refine((text) => text === '' || isSafeUrl(text), 'must be empty or an https address (http on this machine only)')
    .default(''),
  /** The public client that `lastcall login` is there, and the audience of its ID tokens. */
  oidcClientId: z.string().max(200).default(''),
  /** Who may do what: `lastcall-admins=admin, berlin-ops=operator@berlin`. The first that fits counts. */
  oidcRoles: z
    .string()
    .superRefine((text, context) => {
      const rules = parseRules(text);
      if (typeof rules === 'string') context.addIssue({ code: 'custom', message: rules });
    })
    .default(''),
  /** The claim with those values; dots lead inside, as in `realm_access.roles`. */
  oidcRolesClaim: z.string().min(1).max(200).default('groups'),
  /** The claim that says who it is. Another one than `sub` only where the provider never gives a value to a second person. */
  oidcSubjectClaim: z.string().min(1).max(200).default('sub'),
  /** What the provider is asked for, separated by spaces. `offline_access` is what renewals need at most of them. */
  oidcScopes: z
    .string()
    .regex(/^openid( [\x21\x23-\x5b\x5d-\x7e]+)*$/, 'must begin with openid, with single spaces')
    .default('openid profile offline_access'),
  /** Minutes that a credential of a sign-in holds. */
  oidcValidMinutes: whole(5, 1_440).default(480),
});

/** Settings of the catalog beyond the common ones. */
export const catalogSettings = settings.superRefine(({ oidcIssuer, oidcClientId, oidcRoles }, context) => {
  const parts = { oidcIssuer, oidcClientId, oidcRoles };
  const empty = Object.entries(parts).filter(([, value]) => value === '');
  if (empty.length === 0 || empty.length === 3) return;
  for (const [name] of empty) {
    const message = 'must be set too: issuer, client id and roles belong together';
    context.addIssue({ code: 'custom', path: [name], message });
  }
});

export type CatalogSettings = z.infer<typeof catalogSettings>;
