export { openClaiming, type Claiming } from './claiming.js';
