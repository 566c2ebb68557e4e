/*
 * A person at a browser, as far as forms go: follows redirects, keeps cookies, fills in what a page asks for.
 */

export interface Page {
  readonly url: string;
  readonly status: number;
  readonly text: string;
}

export interface Browser {
  open(url: string): Promise<Page>;
  /** Sends the form of a page with what is filled in; its hidden fields go along. */
  submit(page: Page, fields: Readonly<Record<string, string>>): Promise<Page>;
}

const MAX_REDIRECTS = 20;

export function createBrowser(): Browser {
  const cookies = new Map<string, string>();

  async function visit(url: string, init: RequestInit = {}): Promise<Page> {
    let at = url;
    let request = init;
    for (let hops = 0; hops < MAX_REDIRECTS; hops++) {
      const headers = {
        ...request.headers,
        cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; '),
      };
      const response = await fetch(at, { ...request, headers, redirect: 'manual' });
      for (const line of response.headers.getSetCookie()) keep(line);
      const text = await response.text();
      const location = response.headers.get('location');
      if (location === null) return { url: at, status: response.status, text };
      at = new URL(location, at).href;
      request = {};
    }
    throw new Error(`${url} leads nowhere`);
  }

  function keep(line: string): void {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (value === '') cookies.delete(name);
    else cookies.set(name, value);
  }

  return {
    open: (url) => visit(url),
    submit: (page, fields) => {
      const action = /<form[^>]*action="([^"]*)"/.exec(page.text)?.[1];
      if (action === undefined) throw new Error(`no form on ${page.url}: ${page.text.slice(0, 500)}`);
      const hidden = [...page.text.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([tag]) => {
        return [attribute(tag, 'name'), attribute(tag, 'value')] as const;
      });
      const body = new URLSearchParams({ ...Object.fromEntries(hidden), ...fields });
      return visit(new URL(action, page.url).href, { method: 'POST', body });
    },
  };
}

function attribute(tag: string, name: string): string {
  return new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1] ?? '';
}

/** Enters the code, logs in, agrees. Answers the last page. */
export async function signInAt(page: string, code: string, user: string): Promise<Page> {
  const browser = createBrowser();
  const confirmation = await browser.submit(await browser.open(page), { user_code: code });
  const login = await browser.submit(confirmation, { confirm: 'yes' });
  const consent = await browser.submit(login, { prompt: 'login', login: user, password: 'anything' });
  return browser.submit(consent, { prompt: 'consent' });
}

/** Enters the code and says that it was not them. */
export async function refuseAt(page: string, code: string): Promise<Page> {
  const browser = createBrowser();
  const confirmation = await browser.submit(await browser.open(page), { user_code: code });
  return browser.submit(confirmation, { abort: 'yes' });
}
