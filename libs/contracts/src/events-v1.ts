/** The package lastcall.events.v1, a file for each service that says them. */
export * from './gen/lastcall/events/v1/catalog.js';
export * from './gen/lastcall/events/v1/installer.js';
export * from './gen/lastcall/events/v1/preflight.js';
export * from './gen/lastcall/events/v1/scheduler.js';
export * from './gen/lastcall/events/v1/session.js';
