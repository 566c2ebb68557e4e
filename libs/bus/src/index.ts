export * from './open-bus.js';
export * from './port.js';
export { DEFAULT_TUNING, type BusLog, type BusTuning } from './tuning.js';
