import { existsSync, rmSync, writeFileSync } from 'node:fs';
import type { Layout } from './layout.js';

/*
 * A little disk space that is kept back: when the disk is full, what happened must still go into the journal, or nobody would learn of it.
 */

const RESERVE_BYTES = 256 * 1024;

export function keepReserve(layout: Layout): void {
  if (existsSync(layout.reserve)) return;
  try {
    writeFileSync(layout.reserve, Buffer.alloc(RESERVE_BYTES, 0xff));
  } catch {
    rmSync(layout.reserve, { force: true }); // Full now; the order that needs space will say so.
  }
}

export function giveUpReserve(layout: Layout): void {
  rmSync(layout.reserve, { force: true });
}
