import { checkId, checkText, LIMITS, quoted, reject, type Rejected } from '@lastcall/kernel';

/*
 * What a person who has signed in may do: claims of the provider → subject, role and installation. The rules are tried in their order and
 * the first that fits counts; no rule is no access. Refuses claims of another form than agreed instead of guessing.
 */

export type PersonRole = 'admin' | 'operator' | 'approver' | 'viewer';
const PERSON_ROLES: readonly PersonRole[] = ['admin', 'operator', 'approver', 'viewer'];

/** `berlin-ops=operator@berlin`. */
export interface RoleRule {
  /** Of the claim, to the letter. */
  readonly value: string;
  readonly role: PersonRole;
  /** Empty: all. */
  readonly installation: string;
}

export interface PersonGrant {
  readonly role: PersonRole;
  /** Empty: all. */
  readonly installation: string;
  /** Value of the claim that gave it. */
  readonly by: string;
}

export type Claims = Readonly<Record<string, unknown>>;

/** Subjects of people who signed in; nobody else is issued one. */
export const SIGNED_IN = 'oidc:';
const MAX_RULES = 200;
const MAX_VALUES = 2_000;

/** `a=admin, b=operator@berlin`; a text that says what is wrong. The value ends at the last `=`, because names of groups may have one. */
export function parseRules(text: string): readonly RoleRule[] | string {
  const entries = text.split(',').map((entry) => entry.trim());
  const given = entries.filter((entry) => entry !== '');
  if (given.length > MAX_RULES) return `has ${given.length} entries; at most ${MAX_RULES} are allowed`;
  const rules = given.map(parseRule);
  return rules.find((rule) => typeof rule === 'string') ?? (rules as readonly RoleRule[]);
}

function parseRule(entry: string): RoleRule | string {
  const match = /^(.+)=([a-z]+)(?:@(.*))?$/u.exec(entry);
  const [, value = '', roleName = '', installation = ''] = match ?? [];
  const role = PERSON_ROLES.find((name) => name === roleName);
  const isBound = entry.includes('@', entry.lastIndexOf('='));
  if (match && role && (!isBound || checkId('installation', installation) === undefined)) {
    return { value: value.trim(), role, installation };
  }
  return `has ${quoted(entry)}; allowed is value=role or value=role@installation, with a role of ${PERSON_ROLES.join(', ')}`;
}

/** `oidc:` and the value of the claim: one person, always the same. */
export function subjectOf(claims: Claims, claim: string): string | Rejected {
  const value = claims[claim];
  const wrong =
    typeof value === 'string'
      ? checkText(claim, value, { min: 1, max: LIMITS.titleChars - SIGNED_IN.length, lines: false })?.description
      : 'is not a text';
  if (wrong === undefined && !/\s/u.test(value as string)) return SIGNED_IN + (value as string);
  return badClaim(claim, wrong ?? 'has a space');
}

/** The first rule that fits; with `installation`, the first that reaches it, bound to it. */
export function grantOf(
  rules: readonly RoleRule[],
  claims: Claims,
  claim: string,
  installation: string,
): PersonGrant | Rejected {
  const values = valuesOf(claims, claim);
  if (!Array.isArray(values)) return values as Rejected;
  const rule = rules.find(
    (r) =>
      values.includes(r.value) && (installation === '' || r.installation === '' || r.installation === installation),
  );
  if (rule) return { role: rule.role, installation: rule.installation || installation, by: rule.value };
  const where = installation === '' ? '' : ` for ${installation}`;
  const message =
    `You have signed in, and nothing gives you a role here${where}: the claim "${claim}" was looked at, with ${values.length} values. ` +
    'An administrator names one of your groups in LASTCALL_OIDC_ROLES.';
  return reject('not-permitted', 'NO_ROLE', message, { facts: { claim } });
}

/** A claim that is not there has no values. */
function valuesOf(claims: Claims, claim: string): readonly string[] | Rejected {
  const found = find(claims, claim);
  if (found === undefined || found === null) return [];
  const values: unknown[] = Array.isArray(found) ? found : [found];
  if (values.length > MAX_VALUES) return badClaim(claim, `has ${values.length} values; at most ${MAX_VALUES} are read`);
  if (values.every((value) => typeof value === 'string')) return values;
  return badClaim(claim, 'is not a text or a list of texts');
}

/** By its name as it stands, else `realm_access.roles` inside. */
function find(claims: Claims, claim: string): unknown {
  if (Object.hasOwn(claims, claim)) return claims[claim];
  return claim.split('.').reduce<unknown>((inner, key) => {
    const isObject = typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key);
    return isObject ? (inner as Claims)[key] : undefined;
  }, claims);
}

function badClaim(claim: string, why: string): Rejected {
  const message = `The provider's claim "${claim}" cannot be used: it ${why.replace(/^is empty.*/u, 'is empty')}.`;
  return reject('not-permitted', 'CLAIM_REFUSED', message, { facts: { claim } });
}
