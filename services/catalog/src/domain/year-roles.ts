/*
 * Which role signs which release. A product's own role hands on to roles of a year, and those list the targets; each has at most
 * MAX_ROLE_TARGETS, so that what a client fetches stays small and signing (whose cost grows with the square) stays quick. A release
 * stays in the role in which it stands: a publication signs the role that it joins, and no other.
 */

/** About 40 KB of metadata. */
export const MAX_ROLE_TARGETS = 250;

export interface PlaceableRelease {
  readonly version: string;
  /** In which it was drafted (UTC). */
  readonly year: number;
  readonly targets: number;
}

/** Versions of each role. */
export type Placement = ReadonlyMap<string, readonly string[]>;

/** A product's name comes last and the numbers are always there, so no two products meet in one name. */
export function yearRole(product: string, year: number, part: number): string {
  return `releases-${year}-${part}-${product}`;
}

/** The product of a role of a year; undefined for other roles. */
export function productOfYearRole(role: string): string | undefined {
  return /^releases-\d{4,}-\d+-(.+)$/.exec(role)?.[1];
}

/** `before`: the role in which a version stands already. */
export function placeReleases(
  product: string,
  releases: readonly PlaceableRelease[],
  before: ReadonlyMap<string, string>,
): Placement {
  const placed = new Map<string, string[]>();
  const used = new Map<string, number>();
  const put = (role: string, { version, targets }: PlaceableRelease): void => {
    placed.set(role, [...(placed.get(role) ?? []), version]);
    used.set(role, (used.get(role) ?? 0) + targets);
  };
  const isNew = ({ version }: PlaceableRelease): boolean => !before.has(version);
  for (const release of releases) {
    const role = before.get(release.version);
    if (role !== undefined) put(role, release);
  }
  for (const release of releases.filter(isNew)) {
    let part = 1;
    const hasRoom = (role: string): boolean => (used.get(role) ?? 0) + release.targets <= MAX_ROLE_TARGETS;
    while (!hasRoom(yearRole(product, release.year, part))) part++;
    put(yearRole(product, release.year, part), release);
  }
  return placed;
}

/**
 * Patterns that lead a client to the one role of a version. Versions of one `major.minor` that stand in the same role share a
 * pattern, so that the list stays short; as soon as one stands elsewhere, each is named.
 */
export function pathsOf(product: string, placement: Placement): ReadonlyMap<string, readonly string[]> {
  const rolesOfLine = new Map<string, Set<string>>();
  for (const [role, versions] of placement) {
    for (const version of versions) {
      const line = lineOf(version);
      rolesOfLine.set(line, (rolesOfLine.get(line) ?? new Set()).add(role));
    }
  }
  const pattern = (version: string): string => {
    const line = lineOf(version);
    return rolesOfLine.get(line)?.size === 1 ? `${product}/${line}.*/*` : `${product}/${version}/*`;
  };
  return new Map([...placement].map(([role, versions]) => [role, [...new Set(versions.map(pattern))].toSorted()]));
}

function lineOf(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}
