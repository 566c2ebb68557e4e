/** The package lastcall.catalog.v1, which is written in several files. */
export * from './gen/lastcall/catalog/v1/catalog.js';
export * from './gen/lastcall/catalog/v1/diff.js';
export * from './gen/lastcall/catalog/v1/installation.js';
export * from './gen/lastcall/catalog/v1/mirror.js';
export * from './gen/lastcall/catalog/v1/release.js';
export * from './gen/lastcall/catalog/v1/wave.js';
export * from './gen/lastcall/catalog/v1/signing.js';
