export * from './refusal.js';
export * from './signed-catalog.js';
export { createTrustedSet, type TargetMeta } from './trusted-set.js';
