export { runClient } from './client.js';
