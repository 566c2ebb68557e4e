import type { identityV1 } from '@lastcall/contracts';
import { checkId, checkRange, checkText, DAY_MS, isRejected, LIMITS, reject, type Rejected } from '@lastcall/kernel';
import { readPage, SERVICE_SUBJECT, type RpcHandlers, type TokenIssuer } from '@lastcall/runtime';
import { actOn } from '../decide.js';
import type { Documents } from '../documents.js';
import { recordToken, tokenMachine } from '../machines.js';
import { parsePage, Wrong } from '../requests.js';
import { SIGNED_IN } from '../domain/sign-in.js';
import { roleFromWire, tokenToWire } from '../wire.js';
import { findInstallation } from './installations.js';

export interface TokenParts {
  readonly documents: Documents;
  readonly issuer: TokenIssuer;
  /** The store's clock. */
  readonly now: () => Promise<number>;
}

const DEFAULT_DAYS = 90;
/** Who may change something gets a new one each year; what only looks, or only attaches in one installation, stands in files that nobody opens. */
const MAX_DAYS = { admin: 366, operator: 366, approver: 366, viewer: 3_650, client: 3_650 } as const;

type Methods = 'createToken' | 'listTokens' | 'revokeToken';

export function tokenHandlers(parts: TokenParts): Pick<RpcHandlers<typeof identityV1.TokenServiceService>, Methods> {
  const { documents } = parts;
  return {
    createToken: (request) => createToken(parts, request),
    listTokens: async (request) => {
      const wrong = new Wrong();
      const page = parsePage(wrong, request);
      const query = { index: 'newest', where: { all: true }, order: 'descending' } as const;
      const found =
        wrong.rejected() ??
        (await readPage(documents.tokens, query, page, ({ id, data }) => {
          return data.state === 'absent' ? undefined : tokenToWire(id, data);
        }));
      return isRejected(found) ? found : { tokens: found.items, nextPageToken: found.nextPageToken };
    },
    revokeToken: async (request) => {
      const wrong = new Wrong();
      const { token } = wrong.name('token', 'name', request.name);
      const outcome =
        wrong.rejected() ??
        (await actOn(documents.tokens, tokenMachine(token)).carryOut(token, (at) => ({ type: 'revoke', at })));
      if (isRejected(outcome)) return outcome;
      return { token: outcome.state.state === 'absent' ? undefined : tokenToWire(token, outcome.state) };
    },
  };
}

async function createToken(
  { documents, issuer, now }: TokenParts,
  request: identityV1.CreateTokenRequest,
): Promise<identityV1.CreateTokenResponse | Rejected> {
  const { subject, installation } = request;
  const wrong = new Wrong();
  const role = roleFromWire(request.role);
  const days = request.validDays === 0 ? DEFAULT_DAYS : request.validDays;
  wrong.add(
    checkText('subject', subject, { min: 1, max: LIMITS.titleChars, lines: false }),
    checkRange('valid_days', days, 1, role ? MAX_DAYS[role] : MAX_DAYS.client, 'days for this role'),
    subject.startsWith(SERVICE_SUBJECT)
      ? { field: 'subject', description: `begins with ${SERVICE_SUBJECT}, which only services have` }
      : undefined,
    installation === '' ? undefined : checkId('installation', installation),
  );
  if (subject.startsWith(SIGNED_IN)) {
    wrong.add({ field: 'subject', description: `begins with ${SIGNED_IN}, which only people have who sign in` });
  }
  if (!role) {
    const description = 'must be ADMIN, OPERATOR, APPROVER, VIEWER or CLIENT; agents join with a join token instead';
    wrong.add({ field: 'role', description });
  }
  if (role === 'client' && installation === '') {
    wrong.add({ field: 'installation', description: 'must be set for a client: it belongs to one installation' });
  }
  const rejected = wrong.rejected() ?? (await checkInstallation(documents, installation));
  if (rejected || !role) return rejected ?? reject('invalid', 'INVALID_ARGUMENT', 'role is missing');
  const issuedAt = await now();
  const expiresAt = issuedAt + days * DAY_MS;
  const issued = await issuer.issue({ subject, role, installation: installation || undefined, issuedAt, expiresAt });
  const grant = {
    subject,
    role,
    installation,
    createdAt: issued.token.issuedAt,
    expiresAt: issued.token.expiresAt,
  };
  // The record first: a credential that nobody could revoke must not leave the house.
  await recordToken(documents, issued.token.id, grant);
  return { credential: issued.credential, token: tokenToWire(issued.token.id, { state: 'issued', grant }) };
}

async function checkInstallation(documents: Documents, installation: string): Promise<Rejected | undefined> {
  if (installation === '') return undefined;
  const found = await findInstallation(documents, installation);
  return isRejected(found) ? found : undefined;
}
