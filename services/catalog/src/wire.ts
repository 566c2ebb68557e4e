import {
  atToDate,
  catalogV1,
  formatName,
  hostRole,
  identityV1,
  installationKind,
  msToDuration,
  sessionV1,
  type RoleName,
} from '@lastcall/contracts';
import type { PresentInstallation } from './domain/installation.js';
import type { PresentProduct } from './domain/product.js';
import type { KnownRelease, ReleaseContent } from './domain/release.js';
import type { KnownToken, TokenRole } from './domain/token.js';

/*
 * Values of the domain as messages.
 */

export function productToWire(product: string, state: PresentProduct): catalogV1.Product {
  return catalogV1.Product.fromPartial({
    name: formatName('product', { product }),
    title: state.title,
    createTime: atToDate(state.createdAt),
  });
}

function requirementsToWire(content: ReleaseContent): catalogV1.ReleaseRequirements {
  const { requirements: r } = content;
  return catalogV1.ReleaseRequirements.fromPartial({
    product: content.product,
    version: content.version,
    os: r.os.map((os) => ({ ...os })),
    cpuCount: r.cpuCount,
    memoryBytes: BigInt(r.memoryBytes),
    stageFreeBytes: BigInt(r.stageFreeBytes),
    backupFreeBytes: BigInt(r.backupFreeBytes),
    ports: [...r.ports],
    agentVersion: r.agentVersion,
    dataVersion: r.dataVersion,
    changesData: r.changesData,
    antivirus: {
      folders: [...r.antivirus.folders],
      files: [...r.antivirus.files],
      processes: [...r.antivirus.processes],
    },
    checks: (r.checks ?? []).map((check) => ({ ...check, role: hostRole.toWire(check.role) })),
    treeBytes: BigInt(Math.max(0, ...content.artifacts.map((artifact) => artifact.totalBytes))),
  });
}

const STATES: Readonly<Record<KnownRelease['state'], catalogV1.ReleaseState>> = {
  draft: catalogV1.ReleaseState.DRAFT,
  // Nobody can take it yet, so it is a draft to everybody outside.
  publishing: catalogV1.ReleaseState.DRAFT,
  published: catalogV1.ReleaseState.PUBLISHED,
  withdrawn: catalogV1.ReleaseState.WITHDRAWN,
};

export function stateToDomain(state: catalogV1.ReleaseState): readonly KnownRelease['state'][] {
  return (Object.keys(STATES) as KnownRelease['state'][]).filter((name) => STATES[name] === state);
}

/** A release without manifest and files. */
export function releaseToWire(release: KnownRelease): catalogV1.Release {
  const { content } = release;
  const publishedAt = 'publishedAt' in release ? release.publishedAt : null;
  return catalogV1.Release.fromPartial({
    name: formatName('release', { product: content.product, version: content.version }),
    product: content.product,
    version: content.version,
    title: content.title,
    notes: content.notes,
    state: STATES[release.state],
    updatesFrom: content.updatesFrom,
    requiredVersions: [...content.requiredVersions],
    requirements: requirementsToWire(content),
    actions: (content.actions ?? []).map(({ id, title, role, maxRunTimeMs }) => ({
      ...{ id, title, role: hostRole.toWire(role), maxRunTime: msToDuration(maxRunTimeMs) },
    })),
    artifacts: content.artifacts.map(({ role, platform }) => ({ role: hostRole.toWire(role), platform, files: [] })),
    createTime: atToDate(release.createdAt),
    ...(publishedAt === null ? {} : { publishTime: atToDate(publishedAt) }),
    withdrawReason: release.state === 'withdrawn' ? release.reason : '',
    etag: String(release.revision),
  });
}

export function channelToWire(
  product: string,
  channel: string,
  value: { version: string; revision: number },
): catalogV1.Channel {
  const name = formatName('channel', { product, channel });
  return { name, version: value.version, etag: String(value.revision) };
}

export function installationToWire(installation: string, state: PresentInstallation): catalogV1.Installation {
  const { settings } = state;
  return catalogV1.Installation.fromPartial({
    name: formatName('installation', { installation }),
    title: settings.title,
    product: settings.product,
    kind: installationKind.toWire(settings.kind),
    channel: settings.channel,
    timeZone: settings.timeZone,
    businessHours: settings.businessHours.map((span) => ({ ...span })),
    holidays: [...settings.holidays],
    reactionTime: msToDuration(settings.reactionTimeMs),
    hosts: Object.entries(state.hosts)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([host, record]) => ({
        host,
        role: hostRole.toWire(record.role),
        version: record.version,
        publicKey: Buffer.from(record.publicKey, 'base64'),
        mayFollowLater: record.mayFollowLater,
      })),
    installedVersion: state.installedVersion,
    etag: String(state.revision),
    createTime: atToDate(state.createdAt),
    group: settings.group ?? '',
    approvalRequired: settings.approvalRequired ?? false,
    ...(settings.secondPerson?.actions.length && {
      secondPerson: {
        actions: [...settings.secondPerson.actions],
        validFor: msToDuration(settings.secondPerson.validMs),
      },
    }),
    holidaysOf: settings.holidaysOf ?? '',
    workedHolidays: [...(settings.workedHolidays ?? [])],
    sessionPolicy: settings.sessionPolicy && sessionV1.SessionPolicy.fromJSON(settings.sessionPolicy),
  });
}

const ROLES: Readonly<Record<TokenRole, identityV1.Role>> = {
  admin: identityV1.Role.ADMIN,
  operator: identityV1.Role.OPERATOR,
  approver: identityV1.Role.APPROVER,
  viewer: identityV1.Role.VIEWER,
  client: identityV1.Role.CLIENT,
};

/** All but those that hosts sign for themselves. */
export function isTokenRole(role: RoleName): role is TokenRole {
  return role !== 'agent';
}

export function roleToWire(role: RoleName | undefined): identityV1.Role {
  if (role === undefined) return identityV1.Role.UNSPECIFIED;
  return isTokenRole(role) ? ROLES[role] : identityV1.Role.AGENT;
}

/** Undefined for `agent`, for nothing, and for a role that a newer peer knows. */
export function roleFromWire(role: identityV1.Role): TokenRole | undefined {
  return (Object.keys(ROLES) as TokenRole[]).find((name) => ROLES[name] === role);
}

export function tokenToWire(token: string, state: KnownToken): identityV1.Token {
  const { grant } = state;
  return identityV1.Token.fromPartial({
    name: formatName('token', { token }),
    subject: grant.subject,
    role: ROLES[grant.role],
    installation: grant.installation,
    createTime: atToDate(grant.createdAt),
    expireTime: atToDate(grant.expiresAt),
    ...(state.state === 'revoked' ? { revokeTime: atToDate(state.revokedAt) } : {}),
  });
}
