import { main } from '@lastcall/runtime';
import { createSmallCatalog } from './small-catalog.js';

/** The small catalog as a program. Says on SIGUSR2 which of the heavy packages it has loaded. */
process.on('SIGUSR2', () => {
  const files = Object.keys(require.cache);
  const heavy = ['@opentelemetry', 'mongodb'].filter((name) => files.some((file) => file.includes(`/${name}/`)));
  const rssMb = Math.round(process.memoryUsage().rss / 1e6);
  process.stdout.write(`loaded: [${heavy.join(', ')}] rss: ${rssMb} MB\n`);
});
void main(createSmallCatalog());
