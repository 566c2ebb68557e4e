import { reject, RejectedError } from '@lastcall/kernel';

/** Where another host answers, or where this one is to listen. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `host:port` or `[v6]:port`. `option` names it in the refusal. */
export function parseAddress(option: string, text: string): Address {
  const [, v6, name, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9.-]{1,253})):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? name;
  const port = Number(digits);
  if (host !== undefined && port <= 65_535) return { host, port };
  const message = `${option} ${JSON.stringify(text.slice(0, 80))} must be an address and a port, such as 10.0.0.5:7422.`;
  throw new RejectedError(reject('invalid', 'BAD_ADDRESS', message));
}

export function urlOf({ host, port }: Address): string {
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
