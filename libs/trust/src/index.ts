export * from './describe-request.js';
export * from './key-files.js';
export * from './keys.js';
export * from './metadata.js';
export * from './mirror-index.js';
export * from './signing-request.js';
