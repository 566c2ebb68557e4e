import {
  atToDate,
  checkVersion,
  formatName,
  hostRole,
  parseName,
  type hostEdgeV1,
  type installerV1,
} from '@lastcall/contracts';
import {
  checkId,
  checkRange,
  checkText,
  collect,
  invalid,
  isRejected,
  MINUTE_MS,
  randomSecret,
  sha256Hex,
  type Rejected,
  type Violation,
} from '@lastcall/kernel';
import type { ServiceContext } from '@lastcall/runtime';
import type { Catalog } from './catalog.js';
import { hostIdOf, type Documents, type HostDocument } from './documents.js';
import { refuseAgentVersion } from './domain/agent-version.js';
import { redeem, type JoinToken } from './domain/join-token.js';
import { checkKey, isCutOffKey, keyCutOff } from './host-keys.js';
import type { HostKey } from './orders.js';
import type { InstallerSettings } from './settings.js';
import { hostJoined } from './host-joined.js';

/*
 * How a host becomes known: an operator makes a token, its agent redeems it once with its own key. Token and host are two
 * writes; a crash between them is repaired by the agent, which asks again with the same key.
 */

export interface Joining {
  createToken(request: installerV1.CreateJoinTokenRequest): Promise<installerV1.CreateJoinTokenResponse | Rejected>;
  join(request: hostEdgeV1.JoinRequest): Promise<hostEdgeV1.JoinResponse | Rejected>;
}

export interface JoiningOptions {
  readonly context: ServiceContext<InstallerSettings>;
  readonly documents: Documents;
  readonly catalog: Catalog;
  /** The host has another key than before. */
  readonly onNewKey: (host: HostKey) => Promise<void>;
}

const MAX_VALID_MINUTES = 10_080;
const DEFAULT_VALID_MINUTES = 60;

export function createJoining(options: JoiningOptions): Joining {
  return {
    createToken: (request) => createToken(options, request),
    join: (request) => join(options, request),
  };
}

async function createToken(
  { context, documents, catalog }: JoiningOptions,
  request: installerV1.CreateJoinTokenRequest,
): Promise<installerV1.CreateJoinTokenResponse | Rejected> {
  const parent = parseName('installation', 'parent', request.parent);
  const role = hostRole.fromWire(request.role);
  const wrong = collect(
    parent.ok ? undefined : parent.violation,
    checkId('host_id', request.hostId),
    role ? undefined : { field: 'role', description: 'is not said; use server, terminal-server or workstation' },
    checkRange('valid_minutes', request.validMinutes, 0, MAX_VALID_MINUTES, 'minutes (0: 60)'),
  );
  if (!parent.ok || !role || wrong.length > 0) return invalid(wrong);
  const { installation } = parent.parts;
  const product = await catalog.productOf(installation);
  if (isRejected(product)) return product;
  const token = randomSecret();
  const validMs = (request.validMinutes || DEFAULT_VALID_MINUTES) * MINUTE_MS;
  const expiresAt = (await context.store.now()) + validMs;
  const data: JoinToken = { installation, host: request.hostId, role, expiresAt };
  await documents.tokens.insertMany([{ id: sha256Hex(token), data }]);
  return { token, expiresAt: atToDate(expiresAt) };
}

/** What an agent says of itself; a version that is not known yet is empty. `before`: what the names of the fields begin with. */
export function checkAgent(
  {
    platform,
    agentVersion,
    installedVersion,
  }: Pick<hostEdgeV1.AgentHello, 'platform' | 'agentVersion' | 'installedVersion'>,
  before = '',
): Violation[] {
  return collect(
    checkText(`${before}platform`, platform, { max: 64, lines: false }),
    checkText(`${before}agent_version`, agentVersion, { max: 100, lines: false }),
    installedVersion === '' ? undefined : checkVersion(`${before}installed_version`, installedVersion),
  );
}

function checkJoin(request: hostEdgeV1.JoinRequest) {
  const { token, publicKey } = request;
  return collect(
    checkText('token', token, { min: 1, max: 200, lines: false }),
    checkKey(publicKey),
    ...checkAgent(request),
  );
}

async function join(
  options: JoiningOptions,
  request: hostEdgeV1.JoinRequest,
): Promise<hostEdgeV1.JoinResponse | Rejected> {
  const { context, documents, catalog } = options;
  const wrong = checkJoin(request);
  if (wrong.length > 0) return invalid(wrong);
  const refused = refuseAgentVersion(request.agentVersion, context.settings.minimumAgentVersion);
  if (refused) return refused;
  const id = sha256Hex(request.token);
  const fingerprint = sha256Hex(request.publicKey);
  const known = await documents.tokens.get(id);
  const redeemable = redeem(known?.data, fingerprint, await context.store.now());
  if (isRejected(redeemable)) return redeemable;
  if (await isCutOff(documents, redeemable, request.publicKey)) return keyCutOff();
  // Asked before the token is used up: when the catalog is away, the agent can simply ask again.
  const product = await catalog.productOf(redeemable.installation);
  if (isRejected(product)) return product;
  const { root: trustedRoot, timestamp: trustedTimestamp } = await catalog.trust();
  if (known?.data.redeemedBy !== fingerprint) await recordJoin(context, redeemable, fingerprint);
  const token = await redeemToken(documents, id, fingerprint);
  if (isRejected(token)) return token;
  await registerHost(options, id, token, request);
  const { installation, host, role } = token;
  const trust = { catalogUrl: context.catalogUrl, trustedRoot, trustedTimestamp };
  return { installation, host, role: hostRole.toWire(role), product, ...trust };
}

/** Whoever has taken the key must not come in with the host that was cut off because of it. */
async function isCutOff({ hosts }: Documents, { installation, host }: JoinToken, key: Uint8Array): Promise<boolean> {
  const known = (await hosts.get(hostIdOf(installation, host)))?.data;
  return isCutOffKey(known, Buffer.from(key).toString('base64'));
}

/** The call has no credential but its token, so that nobody else can say who came. */
function recordJoin(
  context: ServiceContext<InstallerSettings>,
  { installation, host }: JoinToken,
  fingerprint: string,
): Promise<void> {
  return context.audit({
    actor: `${installation}/${host}`,
    method: '/lastcall.installer.v1.HostEdgeService/Join',
    resource: formatName('host', { installation, host }),
    reason: `with the key ${fingerprint}`,
  });
}

function redeemToken({ tokens }: Documents, id: string, fingerprint: string): Promise<JoinToken | Rejected> {
  return tokens.change<JoinToken | Rejected>(id, (current, { now }) => {
    const redeemed = redeem(current, fingerprint, now);
    if (isRejected(redeemed) || current?.redeemedBy === fingerprint) return { keep: redeemed };
    return { write: redeemed, result: redeemed };
  });
}

async function registerHost(
  { documents, onNewKey }: JoiningOptions,
  tokenId: string,
  { installation, host, role }: JoinToken,
  request: hostEdgeV1.JoinRequest,
): Promise<void> {
  const { platform, agentVersion, installedVersion } = request;
  const publicKey = Buffer.from(request.publicKey).toString('base64');
  const versionTold = installedVersion !== '';
  const fresh: HostDocument = {
    ...{ installation, host, role, platform, agentVersion, publicKey, versionTold },
    ...{ token: tokenId, lastSeenAt: 0 },
  };
  const joined = hostJoined(fresh, installedVersion);
  const isNewKey = await documents.hosts.change<boolean>(hostIdOf(installation, host), (current) => {
    if (current && current.token === tokenId && current.publicKey === publicKey) return { keep: false };
    // In this very moment.
    if (isCutOffKey(current, publicKey)) return { keep: false };
    return {
      write: { ...fresh, lastSeenAt: current?.lastSeenAt ?? 0 },
      events: [joined],
      result: current !== undefined,
    };
  });
  if (isNewKey) await onNewKey({ installation, host });
}
