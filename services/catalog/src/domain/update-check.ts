import { obstacle, pathText, pathTo, type Candidate } from './update-path.js';
import { compareVersions, isNewer } from './version.js';

/*
 * "Is there something newer for me, and may I take it?" The newest release of the channel may need versions in between, or come in a
 * wave that has not reached the installation; then the answer is what can be taken now, with the reason why not the newest.
 */

export interface UpdateQuestion {
  /** Empty: nothing, or unknown. */
  readonly installed: string;
  /** `head` is the newest version that the channel offers; empty: it offers none. */
  readonly channel: { readonly name: string; readonly head: string };
  readonly published: readonly Candidate[];
  /** Why a release may not be taken yet, whatever the versions say; undefined: it may. */
  readonly holds: (release: Candidate) => string | undefined;
}

export interface UpdateCheck {
  /** Newest version that can be taken now; undefined when there is none. */
  readonly version: string | undefined;
  /** Why it is not the newest of the channel, or why there is none; empty when it is the newest. */
  readonly reason: string;
  /** Versions to install one after the other up to the newest that can be reached, or the one that was asked for; empty: no way. */
  readonly path: readonly string[];
  /** Version that the answer is about: the newest of the channel, or the one that was asked for. */
  readonly target: string;
}

/** Whether one version, asked for by its number, can be taken: published, newer, and no obstacle. Channels do not matter for it. */
export function checkVersion(question: UpdateQuestion, wanted: string): UpdateCheck {
  const { installed, published, holds } = question;
  const no = (reason: string, path: readonly string[] = []): UpdateCheck => {
    return { version: undefined, reason, path, target: wanted };
  };
  const release = published.find(({ version }) => version === wanted);
  if (!release) return no(`${wanted} is not a published release`);
  if (installed !== '' && !isNewer(wanted, installed)) {
    return no(`${wanted} is not newer than ${installed}, which is installed`);
  }
  const held = holds(release);
  if (held !== undefined) return no(held);
  const path = pathTo(installed, release, offeredBy(question)) ?? [];
  if (path.length === 1) return { version: wanted, reason: '', path, target: wanted };
  return no(withWay(obstacle(installed, release) ?? '', installed, path), path);
}

export function checkUpdate(question: UpdateQuestion): UpdateCheck {
  const { installed, channel } = question;
  const all = inChannel(question);
  const [newest] = all;
  if (!newest) return { version: undefined, reason: `channel ${channel.name} has no release`, path: [], target: '' };
  const target = newest.version;
  const newer = all.filter((release) => installed === '' || isNewer(release.version, installed));
  if (newer.length === 0) {
    const description = installed === target ? 'is the newest' : `is not older than ${target}, the newest`;
    const reason = `${installed} ${description} release of channel ${channel.name}`;
    return { version: undefined, reason, path: [], target };
  }
  const path = nextSteps(question, newer);
  const held = question.holds(newest);
  const reason = held ?? withWay(obstacle(installed, newest) ?? '', installed, path.at(-1) === target ? path : []);
  return { version: path[0], reason, path, target };
}

/** The way to the newest release that is not held back; when there is none, the newest that can be taken at once. */
function nextSteps({ installed, holds }: UpdateQuestion, newer: readonly Candidate[]): readonly string[] {
  const free = newer.filter((release) => holds(release) === undefined);
  const [newest] = free;
  const path = newest && pathTo(installed, newest, free);
  if (path) return path;
  const takeable = free.find((release) => obstacle(installed, release) === undefined);
  return takeable ? [takeable.version] : [];
}

/** Newest first. */
function inChannel({ channel, published }: UpdateQuestion): readonly Candidate[] {
  return published
    .filter((release) => release.channels.includes(channel.name) && channel.head !== '')
    .filter((release) => !isNewer(release.version, channel.head))
    .toSorted((a, b) => compareVersions(b.version, a.version));
}

/** What may stand in between. */
function offeredBy(question: UpdateQuestion): readonly Candidate[] {
  return inChannel(question).filter((release) => question.holds(release) === undefined);
}

function withWay(reason: string, installed: string, path: readonly string[]): string {
  return reason === '' || path.length < 2 ? reason : `${reason}; the way is ${pathText(installed, path)}`;
}
