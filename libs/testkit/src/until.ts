/** Asks again and again, for what has no signal of its own; a service that is being killed answers later. Rejects after `timeoutMs`. */
export async function until(holds: () => boolean | Promise<boolean>, what: string, timeoutMs = 30_000): Promise<void> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const yes = await Promise.resolve()
      .then(holds)
      .catch(() => false);
    if (yes) return;
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
