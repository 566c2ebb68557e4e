import { sampleRelease } from './sample-release.js';
import type { Intercept, Json, TestRepository } from './tuf-repository.js';

/*
 * The attacks that the specification of TUF names (section 1.5.2, goals), as something that whoever stands between the catalog and a host does, with
 * the keys that he has got hold of. Each begins when a host has seen the second publication; what it wants then is the release 11.1.0.
 */

export interface Attack {
  /** The name of the specification. */
  readonly kind: string;
  readonly name: string;
  begin(repository: TestRepository): void;
  /** What the agent says. */
  readonly code: string;
  /** Roles that were signed as they should be, so that they count from now on; all others stay as they were. */
  readonly moves: readonly string[];
  /** What python-tuf says: the name of its exception, `not found`, or `accepted`. */
  readonly python: string;
}

export const PRODUCT = 'encore';
export const SEEN = '11.0.0';
export const WANTED = '11.1.0';

const TIMESTAMP = '/tuf/timestamp.json';
const ROLE = `product-${PRODUCT}`;
const PAST = '2020-01-01T00:00:00Z';

/** Two publications. `first` is the timestamp of the earlier one. */
let first: Buffer | undefined;
export function publishTwice(repository: TestRepository): void {
  repository.publish(sampleRelease(SEEN), sampleRelease(WANTED));
  first = repository.served.get(TIMESTAMP);
  repository.sign();
}

const at = (json: Json, ...path: readonly (string | number)[]): Json =>
  path.reduce<unknown>((inner, key) => (inner as Record<string | number, unknown>)[key], json) as Json;

/** Copies what is served under one name to another one. */
function swap(repository: TestRepository, from: string, to: string): void {
  repository.served.set(to, repository.served.get(from) as Buffer);
}

/** Where the text of a release lies. */
function textOf(repository: TestRepository, version: string, name: string): string {
  const path = [...repository.served.keys()].find((key) => key.includes(`/${version}/`) && key.endsWith(name));
  if (path === undefined) throw new Error(`${version} has no ${name}`);
  return path;
}

/** Answers for one path; the others are served. */
export function answerFor(path: string | ((path: string) => boolean), answer: Intercept): Intercept {
  return (request, response) => {
    const url = decodeURIComponent(request.url ?? '');
    return (typeof path === 'string' ? url === path : path(url)) && answer(request, response);
  };
}

/** For as long as somebody listens. */
export const endless: Intercept = (_, response) => {
  const more = (): void => {
    while (!response.destroyed && response.write(Buffer.alloc(65_536, ' ')));
  };
  response.on('drain', more);
  response.writeHead(200);
  more();
  return true;
};

/** Begins to answer and says no more. */
export const stalled: Intercept = (_, response) => {
  response.writeHead(200, { 'content-length': 1_000 });
  response.write('{');
  return true;
};

const forge = (role: 'timestamp' | 'snapshot' | 'targets' | 'releases', moves: readonly string[]): Attack => ({
  ...{ kind: 'arbitrary software', name: `${role} signed by a stranger`, code: 'METADATA_NOT_SIGNED', moves },
  begin: (repository) => repository.sign({ forge: role }),
  python: 'UnsignedMetadataError',
});

const expired = (role: 'timestamp' | 'snapshot' | 'targets' | 'releases', moves: readonly string[]): Attack => ({
  ...{ kind: 'indefinite freeze', name: `${role} that has expired`, code: 'METADATA_EXPIRED', moves },
  begin: (repository) => repository.sign({ edit: { [role]: (body: Json) => (body['expires'] = PAST) } }),
  python: 'ExpiredMetadataError',
});

const ARBITRARY_SOFTWARE: readonly Attack[] = [
  forge('timestamp', []),
  forge('snapshot', ['timestamp']),
  forge('targets', ['timestamp', 'snapshot']),
  forge('releases', ['timestamp', 'snapshot', 'targets']),
  {
    ...{ kind: 'arbitrary software', name: 'root signed by a stranger', code: 'METADATA_NOT_SIGNED', moves: [] },
    begin: (repository) => repository.renewRoot({ forge: true, rotate: ['timestamp'] }),
    python: 'UnsignedMetadataError',
  },
  {
    ...{ kind: 'arbitrary software', name: 'a tree with other bytes', code: 'TEXT_CHANGED', moves: [] },
    begin: ({ served }) => {
      for (const [path, bytes] of served) {
        if (!path.endsWith('.tree.json')) continue;
        const text = bytes.toString();
        const other = text.replace(/("mode":\s*)420\b/, '$1438');
        if (other === text) throw new Error(`${path} has no file of mode 0644 to be changed`);
        served.set(path, Buffer.from(other));
      }
    },
    python: 'LengthOrHashMismatchError',
  },
];

const ENDLESS_DATA: readonly Attack[] = [
  ...[TIMESTAMP, '/tuf/2.root.json'].map((path): Attack => ({
    ...{ kind: 'endless data', name: `${path} without end`, code: 'METADATA_TOO_LONG', moves: [] },
    begin: (repository) => (repository.intercept = answerFor(path, endless)),
    python: 'DownloadLengthMismatchError',
  })),
  {
    ...{ kind: 'endless data', name: 'a tree without end', code: 'METADATA_TOO_LONG', moves: [] },
    begin: (repository) => (repository.intercept = answerFor((path) => path.endsWith('.tree.json'), endless)),
    python: 'DownloadLengthMismatchError',
  },
];

const INDEFINITE_FREEZE: readonly Attack[] = [
  expired('timestamp', []),
  expired('snapshot', ['timestamp']),
  expired('targets', ['timestamp', 'snapshot']),
  expired('releases', ['timestamp', 'snapshot', 'targets']),
  {
    ...{ kind: 'indefinite freeze', name: 'root that has expired', code: 'METADATA_EXPIRED', moves: ['root'] },
    begin: (repository) => repository.renewRoot({ edit: (body) => (body['expires'] = PAST) }),
    python: 'ExpiredMetadataError',
  },
  ...['9999', 'never', '2030-02-30T00:00:00Z'].map((expires): Attack => ({
    ...{ kind: 'indefinite freeze', name: `a date that cannot be compared: ${expires}`, code: 'METADATA_MALFORMED' },
    ...{ moves: [], begin: (repository) => repository.sign({ expires }), python: 'RepositoryError' },
  })),
];

const MALICIOUS_MIRRORS: readonly Attack[] = [
  {
    ...{ kind: 'malicious mirrors', name: 'a snapshot that is held back', code: 'METADATA_NOT_FOUND' },
    moves: ['timestamp'],
    begin: (repository) => {
      repository.sign();
      repository.served.delete('/tuf/3.snapshot.json');
    },
    python: 'DownloadHTTPError',
  },
  {
    ...{ kind: 'malicious mirrors', name: 'releases that are held back', code: 'METADATA_NOT_FOUND' },
    moves: ['timestamp', 'snapshot', 'targets'],
    begin: (repository) => {
      repository.sign();
      repository.served.delete(`/tuf/3.${ROLE}.json`);
    },
    python: 'DownloadHTTPError',
  },
  {
    ...{ kind: 'malicious mirrors', name: 'a tree that is held back', code: 'METADATA_NOT_FOUND', moves: [] },
    begin: (repository) => repository.served.delete(textOf(repository, WANTED, '.tree.json')),
    python: 'DownloadHTTPError',
  },
];

const MIX_AND_MATCH: readonly Attack[] = [
  {
    ...{ kind: 'mix-and-match', name: 'the snapshot of an earlier publication', code: 'METADATA_MIXED' },
    moves: ['timestamp'],
    begin: (repository) => {
      repository.sign();
      swap(repository, '/tuf/2.snapshot.json', '/tuf/3.snapshot.json');
    },
    python: 'LengthOrHashMismatchError',
  },
  {
    ...{ kind: 'mix-and-match', name: 'the releases of an earlier publication', code: 'METADATA_MIXED' },
    moves: ['timestamp', 'snapshot', 'targets'],
    begin: (repository) => {
      repository.sign();
      swap(repository, `/tuf/2.${ROLE}.json`, `/tuf/3.${ROLE}.json`);
    },
    python: 'LengthOrHashMismatchError',
  },
  {
    ...{ kind: 'mix-and-match', name: 'an earlier snapshot for a stolen timestamp key', code: 'METADATA_MIXED' },
    moves: ['timestamp'],
    begin: (repository) => {
      repository.sign({ edit: { timestamp: (body) => (at(body)['meta'] = { 'snapshot.json': { version: 3 } }) } });
      swap(repository, '/tuf/2.snapshot.json', '/tuf/3.snapshot.json');
    },
    python: 'BadVersionNumberError',
  },
];

const ROLLBACK: readonly Attack[] = [
  {
    ...{ kind: 'rollback', name: 'an earlier timestamp', code: 'METADATA_ROLLED_BACK', moves: [] },
    begin: ({ served }) => served.set(TIMESTAMP, first as Buffer),
    python: 'BadVersionNumberError',
  },
  {
    ...{ kind: 'rollback', name: 'a new timestamp for an earlier snapshot', code: 'METADATA_ROLLED_BACK', moves: [] },
    begin: (repository) =>
      repository.sign({ edit: { timestamp: (body) => (at(body, 'meta', 'snapshot.json')['version'] = 1) } }),
    python: 'BadVersionNumberError',
  },
  {
    ...{ kind: 'rollback', name: 'a new snapshot of earlier releases', code: 'METADATA_ROLLED_BACK' },
    moves: ['timestamp'],
    begin: (repository) =>
      repository.sign({ edit: { snapshot: (body) => (at(body, 'meta', `${ROLE}.json`)['version'] = 1) } }),
    python: 'BadVersionNumberError',
  },
  {
    ...{ kind: 'rollback', name: 'a new snapshot without the releases', code: 'METADATA_ROLLED_BACK' },
    moves: ['timestamp'],
    begin: (repository) => repository.sign({ edit: { snapshot: (body) => delete at(body, 'meta')[`${ROLE}.json`] } }),
    python: 'RepositoryError',
  },
  {
    ...{ kind: 'rollback', name: 'a root that says that it is the first', code: 'METADATA_ROLLED_BACK', moves: [] },
    begin: (repository) => repository.renewRoot({ edit: (body) => (body['version'] = 1) }),
    python: 'BadVersionNumberError',
  },
];

const SLOW_RETRIEVAL: readonly Attack[] = [TIMESTAMP, '/tuf/2.root.json'].map((path) => ({
  ...{ kind: 'slow retrieval', name: `${path} that stops coming`, code: 'CATALOG_TOO_SLOW', moves: [] },
  begin: (repository) => (repository.intercept = answerFor(path, stalled)),
  python: 'TimeoutError',
}));

/** A second key for the releases, and two signatures that are needed. */
function demandTwo(id: string, key: Json) {
  return (body: Json): void => {
    at(body, 'delegations', 'keys')[id] = key;
    const role = at(body, 'delegations', 'roles', 0);
    Object.assign(role, { keyids: [...(role['keyids'] as string[]), id], threshold: 2 });
  };
}

const OTHER_KEY: Json = { keytype: 'ed25519', scheme: 'ed25519', keyval: { public: 'ab'.repeat(32) } };

const KEY_COMPROMISE: readonly Attack[] = [
  {
    ...{ kind: 'key compromise', name: 'one of two keys that are needed', code: 'METADATA_NOT_SIGNED' },
    moves: ['timestamp', 'snapshot', 'targets'],
    begin: (repository) => repository.sign({ edit: { targets: demandTwo('other', OTHER_KEY) } }),
    python: 'UnsignedMetadataError',
  },
  {
    ...{ kind: 'key compromise', name: 'one of two keys, its signature twice', code: 'METADATA_MALFORMED' },
    moves: ['timestamp', 'snapshot', 'targets'],
    begin: (repository) =>
      repository.sign({
        edit: { targets: demandTwo('other', OTHER_KEY) },
        spoil: { releases: (file) => (file['signatures'] as Json[]).push(at(file, 'signatures', 0)) },
      }),
    python: 'RepositoryError',
  },
  {
    ...{ kind: 'key compromise', name: 'one key under two names', code: 'METADATA_MALFORMED' },
    moves: ['timestamp', 'snapshot'],
    begin: (repository) =>
      repository.sign({
        edit: {
          targets: (body) => demandTwo('twin', Object.values(at(body, 'delegations', 'keys'))[0] as Json)(body),
        },
        spoil: {
          releases: (file) => {
            (file['signatures'] as Json[]).push({ ...at(file, 'signatures', 0), keyid: 'twin' });
          },
        },
      }),
    // Its threshold counts names. Whoever signs the delegation can do that, so it gives an attacker nothing new.
    python: 'accepted',
  },
  {
    ...{ kind: 'key compromise', name: 'a timestamp key that was revoked', code: 'METADATA_NOT_SIGNED' },
    moves: ['root'],
    begin: (repository) => {
      repository.sign();
      repository.renewRoot({ rotate: ['timestamp'] });
    },
    python: 'UnsignedMetadataError',
  },
  {
    ...{ kind: 'key compromise', name: 'the key of another product', code: 'RELEASE_NOT_FOUND' },
    moves: ['timestamp', 'snapshot', 'targets'],
    begin: (repository) =>
      repository.sign({
        edit: { targets: (body) => (at(body, 'delegations', 'roles', 0)['paths'] = ['overture/*/*']) },
      }),
    python: 'not found',
  },
];

const WRONG_SOFTWARE: readonly Attack[] = ['lastcall.yaml', '.tree.json'].map((name) => ({
  ...{ kind: 'wrong software', name: `the ${name} of another release`, code: 'TEXT_CHANGED', moves: [] },
  begin: (repository) => swap(repository, textOf(repository, SEEN, name), textOf(repository, WANTED, name)),
  python: 'LengthOrHashMismatchError',
}));

export const ATTACKS: readonly Attack[] = [
  ...ARBITRARY_SOFTWARE,
  ...ENDLESS_DATA,
  ...INDEFINITE_FREEZE,
  ...MALICIOUS_MIRRORS,
  ...MIX_AND_MATCH,
  ...ROLLBACK,
  ...SLOW_RETRIEVAL,
  ...KEY_COMPROMISE,
  ...WRONG_SOFTWARE,
];
