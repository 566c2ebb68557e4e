import { createTransport } from 'nodemailer';

/*
 * Plain text mail through one SMTP server. The only file that knows the library.
 */

export interface MailMessage {
  readonly id: string;
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
}

/** Resolves when the server has taken it for every address; else throws. A connection for each mail: they are few. */
export async function sendMail(
  smtpUrl: string,
  message: MailMessage,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const limits = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs };
  const transport = createTransport({ url: smtpUrl, ...limits, disableFileAccess: true, disableUrlAccess: true });
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error('the server did not answer in time')), { once: true });
  });
  const { id, from, to, subject, text } = message;
  const mail = {
    ...{ from, to: to.map((address) => ({ name: '', address })), subject, text },
    ...{ messageId: `<${id}@lastcall>`, headers: { 'Auto-Submitted': 'auto-generated', 'X-Lastcall-Id': id } },
  };
  try {
    const { rejected } = await Promise.race([transport.sendMail(mail), aborted]);
    if (rejected.length > 0) throw new Error(`${rejected.length} of ${to.length} addresses were refused`);
  } finally {
    transport.close();
  }
}
