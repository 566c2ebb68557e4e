/*
 * A program that ends by itself takes its user along: its sessions say goodbye when nothing else keeps the program running. One listener
 * for all sessions of a process. Nothing is waited for.
 */

const leaving = new Set<() => void>();

function leave(): void {
  for (const say of leaving) say();
}

/** Calls once the process has nothing left to do. Answers how to take that back. */
export function atExit(say: () => void): () => void {
  if (leaving.size === 0) process.on('beforeExit', leave);
  leaving.add(say);
  return () => {
    leaving.delete(say);
    if (leaving.size === 0) process.off('beforeExit', leave);
  };
}
