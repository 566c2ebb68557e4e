import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { createDarwin } from './darwin.js';
import { createLinux } from './linux.js';
import type { Platform, RunTool } from './port.js';
import { createWindows } from './windows.js';

/*
 * The port for the system that this is. Linux runs in every test; Windows and macOS are written from their vendors' documentation and have only
 * met outputs as documented (README.md says so).
 */

const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 8 * 1024 * 1024;

export const runTool: RunTool = async (program, args, signal, env = {}) => {
  const options = { signal, timeout: TIMEOUT_MS, windowsHide: true, maxBuffer: MAX_OUTPUT_BYTES };
  return (await promisify(execFile)(program, [...args], { ...options, env: { ...process.env, ...env } })).stdout;
};

export function createPlatform(system: NodeJS.Platform = process.platform, run: RunTool = runTool): Platform {
  switch (system) {
    case 'win32':
      return createWindows(run);
    case 'darwin':
      return createDarwin(run);
    default:
      return createLinux(run);
  }
}
