import type { Check } from './evidence.js';

/** The table of checks. Answers whether all of them hold. */
export function printChecks(title: string, checks: readonly Check[]): boolean {
  const width = Math.max(...checks.map((c) => c.name.length));
  console.log(`\n${title}`);
  for (const { ok, name, found } of checks) console.log(`  ${ok ? '✔' : '✘'} ${name.padEnd(width)}  ${found}`);
  return checks.every((c) => c.ok);
}
