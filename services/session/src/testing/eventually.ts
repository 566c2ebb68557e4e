/**
 * Looks again and again; what is looked at has no signal of its own. Tests have the testkit's `until`; what is here is for programs too, where
 * the testkit may not be. Rejects after `timeoutMs`.
 */
export async function eventually(look: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (!(await look())) {
    if (Date.now() > end) throw new Error('it did not happen in time');
    // Without a pause it would take the machine from what it waits for.
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
