// First: what follows needs a current Node.
export { nodeTooOld } from './node-version-check.js';

export { z } from 'zod';
export * from './service.js';
export { logContextOf, withLogContext, type Known, type LogContext } from './log-context.js';
export { createLogger, LOG_LEVELS, type Logger, type LogLevel } from './logging.js';
export * from './settings/index.js';
export { createLifecycle, type Lifecycle, type LifecycleLimits, type LifecyclePart } from './lifecycle.js';
export {
  ensureIdentity,
  IDENTITY_FILES,
  IDENTITY_PARTS,
  knowsSigningKey,
  makeIdentityPart,
  newSigningKey,
  SERVICE_NAMES,
} from './identity/ensure-identity.js';
export {
  createTokenIssuer,
  describeCredential,
  type IssuedToken,
  type TokenIssuer,
  type TokenRequest,
} from './identity/token-issuer.js';
export { ALL_INSTALLATIONS, createApprovals, type Approvals, type Prepared } from './approvals/approvals.js';
export {
  DEFAULT_VALID_MS,
  MAX_VALID_MS,
  MIN_VALID_MS,
  neededBy,
  parseRule,
  type SecondPersonRule,
} from './approvals/rule.js';
export type { AuditedCall } from './operations/audit-trail.js';
export { requestInstallation, type RequestInstallation } from './auth/request-installation.js';
export { authorise } from './auth/authorise.js';
export { SERVICE_SUBJECT } from './auth/service-certificate.js';
export { isSafeUrl } from './identity/bounded-fetch.js';
export { createIdTokens, MAX_ID_TOKEN_CHARS, type IdClaims, type IdTokens } from './identity/id-tokens.js';
export { ofItsInstallation } from './events/of-its-installation.js';
export { createDueDuty, type DueDuty, type DueDutyOptions } from './duties/due-duty.js';
export { removeOld, type OldDocuments } from './duties/old-documents.js';
export { nameOf, notFound, pageOf, readPage, type PageRequest, type ReadPage } from './requests.js';
export {
  startProcess,
  type ProcessOptions,
  type ProgramContext,
  type ProgramDuty,
  type RunningProcess,
} from './start-process.js';
export { main, nextSignal } from './main.js';
