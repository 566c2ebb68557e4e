import type { ReleaseContent } from '../domain/release.js';

/** A release that demands nothing and has no files. */
export function sampleContent(product: string, version: string, more: Partial<ReleaseContent> = {}): ReleaseContent {
  return {
    product,
    version,
    title: `${product} ${version}`,
    notes: '',
    updatesFrom: '',
    requiredVersions: [],
    requirements: {
      os: [],
      cpuCount: 0,
      memoryBytes: 0,
      stageFreeBytes: 0,
      backupFreeBytes: 0,
      ports: [],
      agentVersion: '',
      dataVersion: '',
      changesData: false,
      antivirus: { folders: [], files: [], processes: [] },
    },
    artifacts: [],
    manifestSha256: 'a'.repeat(64),
    manifestBytes: 10,
    ...more,
  };
}
