import { whole, z } from '@lastcall/runtime';

/** Settings of the catalog beyond the common ones. */
export const catalogSettings = z.object({
  /**
   * How long the signed timestamp holds, in days: so long a host may be served by a mirror that is cut off from the catalog, and so
   * long an attacker could keep it on an old one. LASTCALL_TIMESTAMP_VALID_DAYS, default 7.
   */
  timestampValidDays: whole(1, 90).default(7),
});

export type CatalogSettings = z.infer<typeof catalogSettings>;
