/** The server as a program; see README.md for what it does and `--help` for its options. */
import { once } from 'node:events';
import { readOptions, usage } from './options.ts';
import { startSageMakerLocal } from './start.ts';

if (process.argv.includes('--help')) {
  process.stdout.write(usage);
  process.exit(0);
}

// What is written here, jobs' data and models, is for the owner of the cloud alone.
process.umask(0o077);

try {
  const server = await startSageMakerLocal(readOptions(process.argv.slice(2)), (message) => {
    process.stdout.write(`${new Date().toISOString()} ${message}\n`);
  });
  process.stdout.write(`SageMaker local listens on ${server.url}\n`);
  await Promise.race([once(process, 'SIGTERM'), once(process, 'SIGINT')]);
  await server.close();
  process.exit(0);
} catch (error) {
  process.stderr.write(`SageMaker local did not start: ${error instanceof Error ? error.message : error}\n`);
  process.exit(1);
}
