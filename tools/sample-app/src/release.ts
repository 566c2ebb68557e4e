/*
 * What makes one version of Encore differ from another. The build puts the two constants in; everything else follows from
 * them, as a real product's history would.
 */

declare const ENCORE_VERSION: string;
declare const ENCORE_SCHEMA: number;

export const VERSION = ENCORE_VERSION;

/** Version of the database that this program works on. */
export const SCHEMA = ENCORE_SCHEMA;

/** From 11.1.0 on. */
export const HAS_WAITING_LIST = SCHEMA >= 2;

/**
 * 11.2.0 wants a new file of seat maps, and whoever packed that release forgot to put it in: the kind of mistake that shows only
 * when the server looks for it, after the data was migrated.
 */
export const SEAT_MAPS = SCHEMA >= 3 ? 'seat-maps-2.json' : 'seat-maps.json';
