import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/*
 * Whoever can build an image here: the program that LASTCALL_IMAGE_BUILDER names, Docker, or buildah. Each leaves an archive in Docker's format, and
 * keeps what is common to all images, so that only the first takes long.
 */

/** OCI's own format has no HEALTHCHECK. */
const ENV = { ...process.env, BUILDAH_FORMAT: 'docker' };

/** What all three are told alike. */
const args = (image) => [
  ...Object.entries(image.args).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]),
  ...['--target', image.target],
  ...(image.platform ? ['--platform', image.platform] : []),
];

function run(command, parameters, options = {}) {
  const done = spawnSync(command, parameters, { stdio: ['ignore', 'pipe', 'inherit'], encoding: 'utf8', ...options });
  if (done.error) throw new Error(`${command} cannot be started: ${done.error.message}`);
  if (done.status !== 0)
    throw new Error(`${command} ended with ${done.status ?? done.signal}; its last lines are above`);
  return done.stdout;
}

const answers = (command, ...parameters) => spawnSync(command, parameters, { stdio: 'ignore' }).status === 0;

/** `BUILDER DIRECTORY TAG -f FILE -- OPTIONS` prints the path of the archive in its last line. */
const named = (command) => ({
  name: command,
  build: (image) => {
    const printed = run(command, [image.context, image.tag, '-f', image.file, '--', ...args(image)], { env: ENV });
    const archive = printed.trim().split('\n').at(-1) ?? '';
    if (archive === '') throw new Error(`${command} printed no path of an archive`);
    return archive;
  },
});

const archiveOf = (image) => {
  mkdirSync(image.out, { recursive: true });
  const archive = join(image.out, `${image.name}.tar`);
  rmSync(archive, { force: true });
  return archive;
};

const docker = {
  name: 'docker',
  build: (image) => {
    const archive = archiveOf(image);
    // Docker's own steps are told on the same stream as ours.
    const stdio = ['ignore', process.stderr, 'inherit'];
    run('docker', ['build', '-f', image.file, '-t', image.tag, ...args(image), image.context], { stdio });
    run('docker', ['save', '-o', archive, image.tag]);
    return archive;
  },
};

const buildah = {
  name: 'buildah',
  build: (image) => {
    const archive = archiveOf(image);
    const stdio = ['ignore', process.stderr, 'inherit'];
    run('buildah', ['build', '--layers', '-f', image.file, '-t', image.tag, ...args(image), image.context], {
      stdio,
      env: ENV,
    });
    run('buildah', ['push', '-q', image.tag, `docker-archive:${archive}:${image.tag}`], { stdio });
    return archive;
  },
};

/** Throws with what to do where there is none. */
export function findBuilder({ LASTCALL_IMAGE_BUILDER: command } = process.env) {
  if (command) return named(command);
  if (answers('docker', 'info')) return docker;
  if (answers('buildah', '--version')) return buildah;
  throw new Error(
    'nobody here can build an image: start Docker, install buildah, or name a program in LASTCALL_IMAGE_BUILDER (BUILDER DIRECTORY TAG -f FILE -- OPTIONS, prints the path of a Docker archive)',
  );
}
