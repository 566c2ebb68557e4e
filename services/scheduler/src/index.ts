export { schedulerModule } from './service.js';
