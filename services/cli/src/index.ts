export type { Io } from './io.js';
export { createProgram, type Program } from './program.js';
