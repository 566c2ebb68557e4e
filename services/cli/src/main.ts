import { createProgram } from './program.js';
import { systemIo } from './io.js';

// Whoever reads has seen enough, as with `| head -1`: what the command does goes on, and nobody is there to be told.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

void createProgram(systemIo())
  .run(process.argv.slice(2))
  .then((exitCode) => {
    process.exitCode = exitCode;
  });
