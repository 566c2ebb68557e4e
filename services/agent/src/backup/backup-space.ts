/**
 * Bytes that have to be free while a backup of so much data is taken: the files as the backup command writes them, and beside them the archive, which for
 * data that cannot be compressed is as large. A release without a proof of its own has it brought back once more.
 */
export function backupBytesNeeded(dataBytes: number, hasProof: boolean): number {
  return (hasProof ? 2 : 3) * dataBytes;
}
