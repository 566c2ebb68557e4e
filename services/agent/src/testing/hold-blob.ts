import { sha256Hex } from '@lastcall/kernel';
import type { TestRepository } from './tuf-repository.js';

/** So many bytes of a blob come, and no more. Resolves when they were sent, with what lets the download go on. */
export function holdBlob(repository: TestRepository, blob: Buffer, sentBytes: number): Promise<() => void> {
  const url = `/blobs/${sha256Hex(blob)}`;
  return new Promise((stopped) => {
    repository.intercept = (request, response) => {
      if (request.url !== url) return false;
      response.writeHead(200, { 'content-length': blob.byteLength });
      response.write(blob.subarray(0, sentBytes), () => stopped(() => response.end(blob.subarray(sentBytes))));
      return true;
    };
  });
}
