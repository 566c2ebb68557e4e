import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/* A disk that is small enough to be filled. */

export interface SmallDisk {
  readonly dir: string;
  /** Leaves so many bytes. */
  fill(leaveBytes: number): void;
  empty(): void;
  unmount(): void;
}

/** Undefined where it cannot be mounted: only root may. */
export function mountSmallDisk(dir: string, size: string): SmallDisk | undefined {
  mkdirSync(dir);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir]).status !== 0) return undefined;
  const ballast = join(dir, 'ballast');
  return {
    dir,
    fill: (leaveBytes) => {
      const { bavail, bsize } = statfsSync(dir);
      writeFileSync(ballast, Buffer.alloc(bavail * bsize - leaveBytes));
    },
    empty: () => rmSync(ballast, { force: true }),
    unmount: () => void spawnSync('umount', ['--lazy', dir]),
  };
}
