import { assertNever, reject, type Decider, type HostRole, type Rejected } from '@lastcall/kernel';

/*
 * A release: draft → published → withdrawn. Between draft and published it is `publishing`: somebody has asked for it and the
 * signed metadata is being written. That state is what makes publication repeatable: whoever finds it carries on. The
 * releases that are publishing or published, and no others, stand in the signed repository.
 */

export interface ReleaseArtifact {
  readonly role: HostRole;
  readonly platform: string;
  /** The tree's JSON form: a blob, and the signed target. */
  readonly treeSha256: string;
  readonly treeBytes: number;
  readonly fileCount: number;
  /** Of all files together. */
  readonly totalBytes: number;
}

/** What hosts must offer; 0 or empty: no demand. */
export interface Requirements {
  readonly os: readonly { readonly os: string; readonly version: string }[];
  readonly cpuCount: number;
  readonly memoryBytes: number;
  readonly stageFreeBytes: number;
  readonly backupFreeBytes: number;
  readonly ports: readonly number[];
  readonly agentVersion: string;
  readonly dataVersion: string;
  /** It migrates data, so there must be a backup. */
  readonly changesData: boolean;
  readonly antivirus: {
    readonly folders: readonly string[];
    readonly files: readonly string[];
    readonly processes: readonly string[];
  };
  /** The vendor's own; absent for none. */
  readonly checks?: readonly {
    readonly id: string;
    readonly role: HostRole;
    readonly asks: string;
    readonly remedy: string;
  }[];
}

/** What an operator can have done on hosts. */
export interface ReleaseAction {
  readonly id: string;
  readonly title: string;
  readonly role: HostRole;
  readonly maxRunTimeMs: number;
}

/** What a release is. Fixed from the moment at which its publication begins. */
export interface ReleaseContent {
  readonly product: string;
  readonly version: string;
  readonly title: string;
  readonly notes: string;
  /** Oldest version that may update to it by itself; empty for any. */
  readonly updatesFrom: string;
  readonly requiredVersions: readonly string[];
  readonly requirements: Requirements;
  readonly artifacts: readonly ReleaseArtifact[];
  /** Absent for none. */
  readonly actions?: readonly ReleaseAction[];
  /** The manifest, byte for byte: a blob, and a signed target. */
  readonly manifestSha256: string;
  readonly manifestBytes: number;
}

interface Known {
  readonly content: ReleaseContent;
  readonly createdAt: number;
  /** Grows with every change. */
  readonly revision: number;
}

export type ReleaseState =
  | { readonly state: 'absent' }
  | (Known & { readonly state: 'draft' })
  | (Known & { readonly state: 'publishing'; readonly channel: string })
  | (Known & { readonly state: 'published'; readonly channels: readonly string[]; readonly publishedAt: number })
  | (Known & { readonly state: 'withdrawn'; readonly reason: string; readonly publishedAt: number | null });
export type KnownRelease = Exclude<ReleaseState, { state: 'absent' }>;

export type ReleaseCommand =
  | { readonly type: 'draft'; readonly content: ReleaseContent; readonly at: number }
  /** `content` is what the caller has found complete; another one in between is a conflict. */
  | { readonly type: 'begin-publication'; readonly content: ReleaseContent; readonly channel: string }
  /** The signed metadata is out and the channel's head stands. */
  | { readonly type: 'finish-publication'; readonly at: number }
  | { readonly type: 'withdraw'; readonly reason: string };

export type ReleaseEvent =
  | { readonly type: 'drafted'; readonly content: ReleaseContent; readonly at: number }
  | { readonly type: 'publication-begun'; readonly channel: string }
  | { readonly type: 'published'; readonly channel: string; readonly at: number }
  | { readonly type: 'channel-joined'; readonly channel: string }
  | { readonly type: 'withdrawn'; readonly reason: string };

type Decision = readonly ReleaseEvent[] | Rejected;

function isSameContent(a: ReleaseContent, b: ReleaseContent): boolean {
  return (
    a.manifestSha256 === b.manifestSha256 &&
    a.artifacts.length === b.artifacts.length &&
    a.artifacts.every((artifact, i) => {
      const other = b.artifacts[i];
      return (
        artifact.role === other?.role &&
        artifact.platform === other.platform &&
        artifact.treeSha256 === other.treeSha256
      );
    })
  );
}

/** Whether it belongs into the signed repository. */
export function isSigned(state: ReleaseState): state is Extract<ReleaseState, { state: 'publishing' | 'published' }> {
  return state.state === 'publishing' || state.state === 'published';
}

const notFound = (): Rejected => reject('not-found', 'RELEASE_NOT_FOUND', 'there is no such release');
const isWithdrawn = (state: Extract<ReleaseState, { state: 'withdrawn' }>): Rejected =>
  reject('refused', 'RELEASE_WITHDRAWN', 'the release was withdrawn; publish the repaired one under a new version', {
    facts: { withdrawReason: state.reason },
  });

function decide(state: ReleaseState, command: ReleaseCommand): Decision {
  switch (command.type) {
    case 'draft':
      return decideDraft(state, command.content, command.at);
    case 'begin-publication':
      return decideBegin(state, command.content, command.channel);
    case 'finish-publication':
      // Withdrawn in between, or somebody else has finished it: nothing is left to do.
      return state.state === 'publishing' ? [{ type: 'published', channel: state.channel, at: command.at }] : [];
    case 'withdraw':
      return decideWithdraw(state, command.reason);
    default:
      return assertNever(command);
  }
}

function decideDraft(state: ReleaseState, content: ReleaseContent, at: number): Decision {
  switch (state.state) {
    case 'absent':
      return [{ type: 'drafted', content, at }];
    case 'draft':
      return isSameContent(state.content, content) ? [] : [{ type: 'drafted', content, at }];
    case 'publishing':
    case 'published':
      if (isSameContent(state.content, content)) return [];
      return reject(
        'already-exists',
        'RELEASE_EXISTS',
        'this version is published with other files; published releases never change, so use a new version',
      );
    case 'withdrawn':
      return isWithdrawn(state);
    default:
      return assertNever(state);
  }
}

function decideBegin(state: ReleaseState, content: ReleaseContent, channel: string): Decision {
  switch (state.state) {
    case 'absent':
      return notFound();
    case 'draft':
      if (isSameContent(state.content, content)) return [{ type: 'publication-begun', channel }];
      return reject('conflict', 'DRAFT_CHANGED', 'the draft was replaced in the meantime; publish again');
    case 'publishing':
      if (state.channel === channel) return [];
      return reject(
        'refused',
        'PUBLICATION_RUNNING',
        `the release is being published into channel ${state.channel}; repeat when that is done`,
      );
    case 'published':
      return state.channels.includes(channel) ? [] : [{ type: 'channel-joined', channel }];
    case 'withdrawn':
      return isWithdrawn(state);
    default:
      return assertNever(state);
  }
}

function decideWithdraw(state: ReleaseState, reason: string): Decision {
  switch (state.state) {
    case 'absent':
      return notFound();
    case 'draft':
      return reject(
        'refused',
        'RELEASE_IS_DRAFT',
        'the release is a draft: nobody can take it, so nothing is withdrawn',
      );
    case 'publishing':
    case 'published':
      return [{ type: 'withdrawn', reason }];
    case 'withdrawn':
      return [];
    default:
      return assertNever(state);
  }
}

function evolve(state: ReleaseState, event: ReleaseEvent): ReleaseState {
  const revision = state.state === 'absent' ? 1 : state.revision + 1;
  if (event.type === 'drafted') {
    const createdAt = state.state === 'absent' ? event.at : state.createdAt;
    return { state: 'draft', content: event.content, createdAt, revision };
  }
  if (state.state === 'absent') return state;
  const known: Known = { content: state.content, createdAt: state.createdAt, revision };
  switch (event.type) {
    case 'publication-begun':
      return { ...known, state: 'publishing', channel: event.channel };
    case 'published':
      return { ...known, state: 'published', channels: [event.channel], publishedAt: event.at };
    case 'channel-joined':
      return state.state === 'published'
        ? { ...state, revision, channels: [...state.channels, event.channel].toSorted() }
        : state;
    case 'withdrawn': {
      const publishedAt = state.state === 'published' ? state.publishedAt : null;
      return { ...known, state: 'withdrawn', reason: event.reason, publishedAt };
    }
    default:
      return assertNever(event);
  }
}

export const releaseDecider: Decider<ReleaseState, ReleaseCommand, ReleaseEvent> = {
  initial: { state: 'absent' },
  decide,
  evolve,
};
