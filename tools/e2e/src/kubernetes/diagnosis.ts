import type { Kubectl } from './kubectl.js';

/* What somebody would look at first when it did not work; the namespace is gone afterwards. */

const LOG_LINES = 8;
const LINE_CHARS = 300;

export async function diagnose(kubectl: Kubectl): Promise<string> {
  const look = (args: readonly string[]): Promise<string> =>
    kubectl.run(args).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
  const pods = (await look(['get', 'pods', '-o', 'name'])).split('\n').filter((name) => name !== '');
  const parts = [
    await look(['get', 'pods', '-o', 'wide']),
    await look(['get', 'events', '--sort-by=.lastTimestamp', '--field-selector=type!=Normal']),
  ];
  for (const pod of pods) {
    const previous = await kubectl.run(['logs', pod, `--tail=${LOG_LINES}`, '--previous']).catch(() => '');
    parts.push(`${pod}:\n${previous}${await look(['logs', pod, `--tail=${LOG_LINES}`])}`);
  }
  const lines = parts.join('\n').split('\n');
  return lines.map((line) => line.slice(0, LINE_CHARS)).join('\n');
}
