export * from './database-users.js';
export type * from './database-users-options.js';
export * from './open-store.js';
export * from './pages-of.js';
export type * from './store-options.js';
export * from './port.js';
export type { TraceContext } from './say.js';
