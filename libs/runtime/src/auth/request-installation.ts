import { installationOf } from '@lastcall/contracts';

/*
 * Which installation a request is about. It is named in `parent`, `name`, `installation_id`, or in the `name` of a resource
 * that the request carries (`job.name`). All that are there must agree: a request that names two would be judged by one
 * and carried out on the other.
 */

export type RequestInstallation =
  | { readonly kind: 'none' }
  | { readonly kind: 'one'; readonly installation: string }
  | { readonly kind: 'several'; readonly installations: readonly string[] };

export function requestInstallation(request: unknown): RequestInstallation {
  const named = new Set(namesIn(request));
  const [first, ...others] = named;
  if (first === undefined) return { kind: 'none' };
  return others.length === 0 ? { kind: 'one', installation: first } : { kind: 'several', installations: [...named] };
}

/** The field in which a request names its installation, for a refusal that says where to look. */
export function installationField(request: unknown): string {
  const fields = Object.entries(typeof request === 'object' && request !== null ? request : {});
  const own = ['parent', 'name'].find((name) => fields.some(([field]) => field === name));
  const resource = fields.find(([, value]) => typeof value === 'object' && value !== null && 'name' in value);
  return own ?? (resource ? `${resource[0]}.name` : 'name');
}

function namesIn(request: unknown): string[] {
  if (typeof request !== 'object' || request === null) return [];
  const { parent, name, installationId, ...fields } = request as Record<string, unknown>;
  const resources = Object.values(fields).flatMap((value) =>
    typeof value === 'object' && value !== null ? [(value as { name?: unknown }).name] : [],
  );
  const names = [parent, name, ...resources].filter((value) => typeof value === 'string').map(installationOf);
  const ids = typeof installationId === 'string' && installationId !== '' ? [installationId] : [];
  return [...names, ...ids].filter((installation) => installation !== undefined);
}
