import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/*
 * The list of what an image is made of, as CycloneDX. npm writes it from the files that are there, and refuses a tree with something missing; what came
 * from the base image is added. The same files give the same list: its number follows from what it says, its time is SOURCE_DATE_EPOCH.
 */

/**
 * `lock`: where the hashes of packages are. `system`: a file with the components from the base image; absent: none. Answers the text of the file.
 */
export function createSbom({ app, name, lock, epoch = '0', system }) {
  const npm = spawnSync('npm', ['sbom', '--sbom-format=cyclonedx', '--omit=dev', '--offline'], {
    cwd: app,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 ** 2,
  });
  if (npm.status !== 0) throw new Error(`npm cannot list ${app}: ${npm.stderr || npm.error?.message}`);
  const sbom = JSON.parse(npm.stdout);
  delete sbom.serialNumber;
  sbom.metadata.timestamp = new Date(Number(epoch) * 1_000).toISOString();
  Object.assign(sbom.metadata.component, { type: 'application', name: `lastcall/${name}` });
  const hashes = hashesOf(lock);
  for (const component of sbom.components) component.hashes = hashes.get(component['bom-ref']) ?? [];
  if (system) sbom.components.push(...JSON.parse(readFileSync(system, 'utf8')));
  sbom.serialNumber = `urn:uuid:${uuidOf(JSON.stringify(sbom))}`;
  return `${JSON.stringify(sbom, null, 2)}\n`;
}

/** Of the packages as the registry has them, by `name@version`. */
function hashesOf(lock) {
  return new Map(
    Object.entries(lock).flatMap(([key, { version, integrity }]) => {
      const [algorithm, hash] = integrity?.split('-') ?? [];
      if (algorithm !== 'sha512') return [];
      const name = key.slice(key.lastIndexOf('node_modules/') + 'node_modules/'.length);
      return [[`${name}@${version}`, [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }]]];
    }),
  );
}

/** RFC 9562, version 8: our own bits. */
function uuidOf(text) {
  const hex = createHash('sha256').update(text).digest('hex');
  const variant = '89ab'[Number.parseInt(hex[16], 16) % 4];
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ].join('-');
}
