export { preflightModule } from './service.js';
