/** Encore's server as the client sees it. */
export interface Api {
  book(event: string, seat: string, customer: string): Promise<string>;
  list(): Promise<string>;
  saveDraft(text: string): Promise<void>;
}

export function createApi(url: string, user: string): Api {
  const send = async (method: string, path: string, body?: Record<string, string>): Promise<unknown> => {
    const response = await fetch(`${url}${path}`, {
      method,
      signal: AbortSignal.timeout(10_000),
      ...(body ? { body: JSON.stringify({ ...body, user }) } : {}),
    });
    const answer = (await response.json()) as { problem?: string };
    if (!response.ok) throw new Error(answer.problem ?? `status ${response.status}`);
    return answer;
  };
  return {
    book: async (event, seat, customer) => {
      await send('POST', '/bookings', { event, seat, customer });
      return `booked ${event} ${seat} for ${customer}`;
    },
    list: async () =>
      ((await send('GET', '/bookings')) as { event: string; seat: string }[])
        .map((b) => `${b.event} ${b.seat}`)
        .join('\n'),
    saveDraft: async (text) => {
      await send('POST', '/drafts', { text });
    },
  };
}
