import { createProgram } from './program.js';
import { systemIo } from './io.js';

void createProgram(systemIo())
  .run(process.argv.slice(2))
  .then((exitCode) => {
    process.exitCode = exitCode;
  });
