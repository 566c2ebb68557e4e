import { hostEdgeV1, hostRole } from '@lastcall/contracts';
import { backoffMs, Fault, reject, RejectedError } from '@lastcall/kernel';
import { CODE, createClient, toCallError, type UnaryClient } from '@lastcall/sdk';
import { setTimeout as delay } from 'node:timers/promises';
import { checkBackupsFolder } from './backup/backup-folder.js';
import { readBackupKeys } from './backup/backup-key.js';
import { lineError, openHostChannel } from './host-channel.js';
import { writeHostRecord, type HostRecord } from './host-record.js';
import { ensureIdentity, renewIdentity } from './identity.js';
import { layoutOf, makeFolders, type Layout } from './layout.js';
import { lock } from './lock.js';
import { demandCommandUser } from './platform/command-user.js';
import { createReleases } from './releases.js';
import { pinRoot } from './tuf/release-source.js';
import { AGENT_VERSION } from './version.js';

/*
 * Joining: a one-time token against the membership of an installation. Makes the key, tells its public half, pins the root of trust that
 * comes back, and what was published last as the floor. The record is written last: a host with a record has everything else.
 */

export interface JoinOptions {
  readonly dataDir: string;
  /** `host:port`. */
  readonly address: string;
  readonly token: string;
  readonly env: Readonly<Record<string, string>>;
  /** Makes another key, whatever was there. Default: the one that is there is kept. */
  readonly newKey?: boolean;
  /** PEM file; empty: plain text. */
  readonly tlsCaFile: string;
  /** See HostRecord. */
  readonly tlsCertFile?: string;
  readonly tlsKeyFile?: string;
  /** Bytes a second; absent: no limit. */
  readonly maxRate?: number;
  readonly maxRateInHours?: number;
  /** See HostRecord. */
  readonly serve?: string;
  readonly peer?: string;
  readonly backupKeyFile?: string;
  readonly backupsFolder?: string;
}

const ATTEMPTS = 5;

export async function joinInstallation(options: JoinOptions): Promise<HostRecord> {
  demandCommandUser();
  const layout = layoutOf(options.dataDir);
  makeFolders(layout);
  await checkBackupOptions(layout, options);
  const held = lock(layout);
  try {
    if (options.newKey) renewIdentity(layout);
    const { publicKey } = ensureIdentity(layout.identity);
    const installedVersion = await createReleases(layout, '').installedVersion();
    const answer = await redeem(options, {
      token: options.token,
      publicKey: Buffer.from(publicKey),
      platform: `${process.platform}-${process.arch}`,
      agentVersion: AGENT_VERSION,
      installedVersion,
    });
    const record = toRecord(options, answer);
    pinRoot(layout, answer.trustedRoot, answer.trustedTimestamp);
    writeHostRecord(layout, record);
    return record;
  } finally {
    held.release();
  }
}

/** Before the token is spent. */
async function checkBackupOptions(layout: Layout, { backupKeyFile, backupsFolder }: JoinOptions): Promise<void> {
  if (backupsFolder !== undefined) checkBackupsFolder(layout, backupsFolder);
  if (backupKeyFile !== undefined) await readBackupKeys(backupKeyFile);
}

async function redeem(options: JoinOptions, request: hostEdgeV1.JoinRequest): Promise<hostEdgeV1.JoinResponse> {
  const channel = openHostChannel(options, () => '');
  try {
    return await repeated(createClient(hostEdgeV1.HostEdgeServiceService, channel), request);
  } catch (error) {
    throw lineError(channel, error);
  } finally {
    channel.close();
  }
}

/** The same token with the same key may be redeemed again, so a lost answer does no harm. */
async function repeated(
  client: UnaryClient<typeof hostEdgeV1.HostEdgeServiceService>,
  request: hostEdgeV1.JoinRequest,
): Promise<hostEdgeV1.JoinResponse> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await client.join(request);
    } catch (error) {
      if (toCallError(error).code !== CODE.unavailable || attempt >= ATTEMPTS) throw error;
      await delay(backoffMs(attempt, 0.5 + Math.random() / 2, 200, 2_000));
    }
  }
}

function toRecord(options: JoinOptions, answer: hostEdgeV1.JoinResponse): HostRecord {
  const role = hostRole.fromWire(answer.role);
  if (!role) {
    const message = 'The services gave this host a role that this agent does not know; update the agent.';
    throw new RejectedError(reject('refused', 'UNKNOWN_ROLE', message));
  }
  if (answer.trustedRoot.byteLength === 0)
    throw new Fault('the services sent no root of trust; nothing could be verified');
  return {
    address: options.address,
    tlsCaFile: options.tlsCaFile,
    ...(options.tlsCertFile !== undefined && { tlsCertFile: options.tlsCertFile }),
    ...(options.tlsKeyFile !== undefined && { tlsKeyFile: options.tlsKeyFile }),
    installation: answer.installation,
    host: answer.host,
    role,
    product: answer.product,
    catalogUrl: answer.catalogUrl.replace(/\/+$/, ''),
    env: options.env,
    ...(options.maxRate !== undefined && { maxRate: options.maxRate }),
    ...(options.maxRateInHours !== undefined && { maxRateInHours: options.maxRateInHours }),
    ...(options.serve !== undefined && { serve: options.serve }),
    ...(options.peer !== undefined && { peer: options.peer }),
    ...(options.backupKeyFile !== undefined && { backupKeyFile: options.backupKeyFile }),
    ...(options.backupsFolder !== undefined && { backupsFolder: options.backupsFolder }),
  };
}
