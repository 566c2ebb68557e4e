export * from './business-hours.js';
export * from './decider.js';
export * from './fields.js';
export * from './ids.js';
export * from './outcome.js';
export * from './time.js';
export * from './updates-from.js';
export * from './vocabulary.js';
