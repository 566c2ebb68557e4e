export * from './open-store.js';
export * from './port.js';
export type { TraceContext } from './say.js';
