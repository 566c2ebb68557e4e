import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { makeAlike } from './make-alike.mjs';

/*
 * Takes Node out of its image: the program, the libraries that it names, users, and nothing else: no shell, no package manager. The libraries are
 * found by reading the program, not by running it, so that an image for another processor is put together in the same way.
 *
 *   node tools/images/system.mjs ROOT FOLDER COMPONENTS      ROOT: of the Node image. COMPONENTS: a file for what the list of contents says of them
 */

const LIBRARY_FOLDERS = ['lib', 'usr/lib'];
const NODE = 'usr/local/bin/node';

/** Of a 64-bit little-endian ELF file: its loader, and the libraries that it needs. */
export function needsOf(file) {
  const bytes = readFileSync(file);
  if (bytes.readUInt32BE(0) !== 0x7f454c46) throw new Error(`${file} is no ELF file`);
  const [start, size, count] = [Number(bytes.readBigUInt64LE(32)), bytes.readUInt16LE(54), bytes.readUInt16LE(56)];
  const headers = Array.from({ length: count }, (_, n) => {
    const at = start + n * size;
    const number = (offset) => Number(bytes.readBigUInt64LE(at + offset));
    return { type: bytes.readUInt32LE(at), offset: number(8), address: number(16), size: number(32) };
  });
  const text = (at) => bytes.toString('latin1', at, bytes.indexOf(0, at));
  const loader = headers.find(({ type }) => type === 3);
  const dynamic = headers.find(({ type }) => type === 2);
  const entries = [];
  for (let at = dynamic.offset; at < dynamic.offset + dynamic.size; at += 16) {
    entries.push([Number(bytes.readBigInt64LE(at)), Number(bytes.readBigUInt64LE(at + 8))]);
  }
  const address = entries.find(([tag]) => tag === 5)[1];
  const segment = headers.find((one) => one.type === 1 && one.address <= address && address < one.address + one.size);
  const strings = address - segment.address + segment.offset;
  return {
    loader: loader && text(loader.offset),
    libraries: entries.filter(([tag]) => tag === 1).map(([, offset]) => text(strings + offset)),
  };
}

/** Every library that `program` comes to, by name, where it lies under `root`. */
function librariesOf(root, program) {
  const { loader } = needsOf(join(root, program));
  const found = new Map();
  const wanted = [...needsOf(join(root, program)).libraries];
  for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
    if (found.has(name) || name === basename(loader)) continue;
    const at = locate(root, name);
    if (at === undefined) throw new Error(`${program} needs ${name}, which is not in ${root}`);
    found.set(name, at);
    wanted.push(...needsOf(join(root, at)).libraries);
  }
  return { loader, libraries: [...found.values()] };
}

function locate(root, name) {
  for (const folder of LIBRARY_FOLDERS) {
    for (const triplet of readdirSync(join(root, folder)).filter((one) => one.endsWith('-linux-gnu'))) {
      if (existsSync(join(root, folder, triplet, name))) return join(folder, triplet, name);
    }
  }
  return undefined;
}

/** The Debian packages that `files` belong to, as components of a CycloneDX list. */
function packagesOf(root, files, architecture) {
  const info = join(root, 'var/lib/dpkg/info');
  const lists = readdirSync(info).filter((file) => file.endsWith('.list'));
  const status = readFileSync(join(root, 'var/lib/dpkg/status'), 'utf8').split('\n\n');
  // Debian knows a library by its own name, not by that of a link to it, and below /lib or /usr/lib.
  const ownerOf = (file) => {
    const end = join('/', basename(dirname(file)), basename(realpathSync(join(root, file))));
    const list = lists.find((one) =>
      readFileSync(join(info, one), 'utf8')
        .split('\n')
        .some((path) => path.endsWith(end)),
    );
    if (list === undefined) throw new Error(`no package of ${root} has ${file}`);
    return list.replace(/(:\w+)?\.list$/, '');
  };
  return [...new Set(files.map(ownerOf))].toSorted().map((name) => {
    const about = status.find((one) => one.startsWith(`Package: ${name}\n`)) ?? '';
    const version = /^Version: (.+)$/m.exec(about)?.[1] ?? '';
    const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${architecture}&distro=bookworm`;
    return { type: 'library', 'bom-ref': purl, name, version, purl };
  });
}

const PASSWD =
  'root:x:0:0:root:/:/nowhere\nlastcall:x:1000:1000:lastcall:/data:/nowhere\nnobody:x:65534:65534:nobody:/:/nowhere\n';
const GROUP = 'root:x:0:\nlastcall:x:1000:\nnogroup:x:65534:\n';

function take(root, out, components) {
  const copy = (from, to) => {
    mkdirSync(dirname(join(out, to)), { recursive: true });
    copyFileSync(join(root, from), join(out, to));
  };
  copy(NODE, NODE);
  const { loader, libraries } = librariesOf(root, NODE);
  const loaderAt = locate(root, basename(loader));
  copy(loaderAt, loader);
  for (const library of libraries) copy(library, library);
  mkdirSync(join(out, 'etc'));
  writeFileSync(join(out, 'etc/passwd'), PASSWD);
  writeFileSync(join(out, 'etc/group'), GROUP);
  // Names of hosts are asked for as everywhere: the file, then the name server.
  writeFileSync(join(out, 'etc/nsswitch.conf'), 'hosts: files dns\n');
  copy('etc/os-release', 'etc/os-release');
  const architecture = loader.includes('aarch64') ? 'arm64' : 'amd64';
  // The image that this program runs in is the same version.
  const { node: version } = process.versions;
  const node = {
    type: 'application',
    'bom-ref': `pkg:generic/node@${version}`,
    name: 'node',
    version,
    purl: `pkg:generic/node@${version}`,
  };
  const packages = packagesOf(root, [loaderAt, ...libraries], architecture);
  writeFileSync(components, JSON.stringify([node, ...packages]));
  makeAlike(out);
  return architecture;
}

const [root, out, components] = process.argv.slice(2);
const architecture = take(root, out, components);
// A library that is missing is noticed here, where this machine can run it.
if (architecture === { x64: 'amd64', arm64: 'arm64' }[process.arch]) {
  execFileSync('chroot', [out, '/usr/local/bin/node', '-e', 'require("node:sqlite")'], { stdio: 'inherit' });
}
