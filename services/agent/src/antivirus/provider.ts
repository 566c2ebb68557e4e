import type { AntivirusFacts } from '../domain/order.js';

/** Exceptions that a release demands, resolved for this host. */
export interface DemandedExceptions {
  readonly folders: readonly string[];
  readonly files: readonly string[];
  readonly processes: readonly string[];
}

/** What one provider found. `unknown`: the product is there and cannot be asked. */
export type AntivirusAnswer =
  | { readonly kind: 'absent' }
  | { readonly kind: 'found'; readonly facts: AntivirusFacts }
  | { readonly kind: 'unknown'; readonly why: string };

/** Reads the configuration of one antivirus product. Changes nothing. */
export interface AntivirusProvider {
  readonly product: string;
  inspect(demanded: DemandedExceptions, signal: AbortSignal): Promise<AntivirusAnswer>;
}

/** The first product that is there; one that cannot be asked is not passed over. */
export async function inspectAntivirus(
  providers: readonly AntivirusProvider[],
  demanded: DemandedExceptions,
  signal: AbortSignal,
): Promise<Exclude<AntivirusAnswer, { kind: 'absent' }>> {
  for (const provider of providers) {
    const answer = await provider.inspect(demanded, signal);
    if (answer.kind !== 'absent') return answer;
  }
  return { kind: 'found', facts: { product: 'none', exceptions: [], source: '' } };
}
