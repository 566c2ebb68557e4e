export { prepare } from './data-folder.js';
export { startUp, type RunningUp, type UpOptions } from './start-up.js';
