/** The package lastcall.preflight.v1, which is written in several files. */
export * from './gen/lastcall/preflight/v1/backup.js';
export * from './gen/lastcall/preflight/v1/preflight.js';
export * from './gen/lastcall/preflight/v1/report.js';
