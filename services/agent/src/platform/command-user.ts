import { reject, RejectedError } from '@lastcall/kernel';

/*
 * Who runs the commands of releases: the user that the agent runs as, which its service manager sets (deploy/systemd). Commands come from
 * whoever signs releases; as root they could do anything to the host, so an agent that runs as root does nothing unless that was said.
 */

/** `1` lets an agent run as root. */
export const ALLOW_ROOT = 'LASTCALL_AGENT_ALLOW_ROOT';

/** Throws where commands would run as root and nobody said that they may. */
export function demandCommandUser(
  env: Readonly<Record<string, string | undefined>> = process.env,
  uid: number | null = process.getuid?.() ?? null,
): void {
  if (uid !== 0 || env[ALLOW_ROOT] === '1') return;
  const message = `this agent would run as root, and so would the commands of every release: run it as a user of its own (deploy/systemd has a unit), or say that it may with ${ALLOW_ROOT}=1`;
  throw new RejectedError(reject('refused', 'ROOT_NOT_ALLOWED', message));
}
