import type { Lastcall } from './lastcall.js';

/* Counts of a Lastcall that was started with metrics, read as an operator's Prometheus would. */

export type Writes = Readonly<Record<'document' | 'archive' | 'outbox', number>>;

const LINE = /^lastcall_store_writes_total\{(?<labels>[^}]*)\} (?<value>\S+)/gm;

export async function readWrites({ metrics }: Lastcall): Promise<Writes> {
  const sums = { document: 0, archive: 0, outbox: 0 };
  for (const address of metrics) {
    const page = await (await fetch(`http://${address}/metrics`)).text();
    for (const { groups } of page.matchAll(LINE)) {
      const kind = /kind="(document|archive|outbox)"/.exec(groups?.['labels'] ?? '')?.[1] as keyof Writes | undefined;
      if (kind) sums[kind] += Number(groups?.['value']);
    }
  }
  return sums;
}

export function perRun(before: Writes, after: Writes, runs: number): Writes {
  const each = (kind: keyof Writes): number => Math.round(((after[kind] - before[kind]) / runs) * 10) / 10;
  return { document: each('document'), archive: each('archive'), outbox: each('outbox') };
}
