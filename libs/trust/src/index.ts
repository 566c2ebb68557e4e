export * from './keys.js';
export * from './metadata.js';
