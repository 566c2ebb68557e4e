import { createHmac } from 'node:crypto';

/*
 * Signed HTTP requests as Standard Webhooks 1.0 describes them: the signature covers id, time and body, so that nobody can change,
 * invent or, after five minutes, repeat one. What the receiver answers is not read beyond its status.
 */

export interface WebhookMessage {
  readonly id: string;
  readonly url: string;
  /** `whsec_` and base64. */
  readonly secret: string;
  /** JSON. */
  readonly body: string;
}

const PREFIX = 'whsec_';

/** The key in a secret; undefined when it is none of 24 to 64 bytes. */
export function keyOf(secret: string): Buffer | undefined {
  if (!secret.startsWith(PREFIX)) return undefined;
  const text = secret.slice(PREFIX.length);
  const key = Buffer.from(text, 'base64');
  const same = key.toString('base64').replace(/=+$/, '') === text.replace(/=+$/, '');
  return same && key.length >= 24 && key.length <= 64 ? key : undefined;
}

export function secretOf(key: Uint8Array): string {
  return PREFIX + Buffer.from(key).toString('base64');
}

export function signature({ id, secret, body }: Omit<WebhookMessage, 'url'>, seconds: number): string {
  const key = keyOf(secret) ?? Buffer.alloc(0);
  return `v1,${createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64')}`;
}

/** Resolves when the receiver has it; else throws with what people should know: never the address, which may be a secret. */
export async function postWebhook(message: WebhookMessage, now: number, signal: AbortSignal): Promise<void> {
  const seconds = Math.floor(now / 1_000);
  const response = await fetch(message.url, {
    method: 'POST',
    redirect: 'manual',
    signal,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'lastcall',
      'webhook-id': message.id,
      'webhook-timestamp': String(seconds),
      'webhook-signature': signature(message, seconds),
    },
    body: message.body,
  });
  // Whatever it is and however long: nobody needs it.
  await response.body?.cancel();
  if (response.ok) return;
  const redirected = response.status >= 300 && response.status < 400 ? '; redirects are not followed' : '';
  throw new Error(`the receiver answered ${response.status}${redirected}`);
}
