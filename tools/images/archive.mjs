import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';

/* What an archive in Docker's format says of its image: sizes, layers, and the list of its contents. */

const SBOM = 'app/sbom.cdx.json';

/** `compressedBytes`: what a registry keeps of the layers. `sbom`: a file to write the list to. */
export async function readArchive(archive, sbom) {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-image-'));
  try {
    const { config, created, rootfs, layers } = open(archive, folder);
    const sizes = [];
    for (const layer of layers) sizes.push(await sizesOf(layer));
    writeFileSync(sbom, tar('-xOf', layers.at(-1), SBOM));
    return {
      created,
      labels: config.Labels,
      layers: rootfs.diff_ids,
      compressedBytes: sum(sizes.map((one) => one.compressed)),
      unpackedBytes: sum(sizes.map((one) => one.unpacked)),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes `root` with the files of the image; answers how it is started. */
export function unpack(archive, root) {
  const folder = mkdtempSync(join(tmpdir(), 'lastcall-image-'));
  try {
    const { config, layers } = open(archive, folder);
    mkdirSync(root);
    for (const layer of layers) tar('-xpf', layer, '-C', root);
    return config;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function open(archive, folder) {
  tar('-xf', archive, '-C', folder);
  const read = (file) => JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const [{ Config, Layers }] = read('manifest.json');
  return { ...read(Config), layers: Layers.map((layer) => join(folder, layer)) };
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

function tar(...parameters) {
  const done = spawnSync('tar', parameters, { encoding: 'utf8', maxBuffer: 64 * 1024 ** 2 });
  if (done.status !== 0) throw new Error(`tar ${parameters.join(' ')}: ${done.stderr || done.error?.message}`);
  return done.stdout;
}

/** Some engines save layers as they keep them, some unpacked. */
async function sizesOf(file) {
  const { size } = statSync(file);
  const isCompressed = firstBytes(file) === '1f8b';
  const other = await lengthThrough(file, isCompressed ? createGunzip() : createGzip());
  return isCompressed ? { compressed: size, unpacked: other } : { compressed: other, unpacked: size };
}

function firstBytes(file) {
  const bytes = Buffer.alloc(2);
  const opened = openSync(file);
  readSync(opened, bytes, 0, 2, 0);
  closeSync(opened);
  return bytes.toString('hex');
}

async function lengthThrough(file, change) {
  let length = 0;
  await pipeline(createReadStream(file), change, async (chunks) => {
    for await (const chunk of chunks) length += chunk.length;
  });
  return length;
}
