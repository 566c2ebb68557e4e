import { isRejected } from '@lastcall/kernel';
import { parentPort, workerData } from 'node:worker_threads';
import { backUpState, type BackUpOptions } from './back-up.js';

/* Began by `back-up-in-thread.ts`. An error is the thread's, and ends it. */

void backUpState(workerData as BackUpOptions).then((done) =>
  parentPort?.postMessage(isRejected(done) ? done : { bytes: done.bytes, files: done.manifest.files.length }),
);
