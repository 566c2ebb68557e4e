import { createCertificates, type Certificates } from '@lastcall/testkit';
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';

/*
 * A volume of certificates as Kubernetes mounts it: files are links through `..data`, which is led to a new folder in one step. An authority is
 * replaced in three: the new one is trusted too, certificates are of the new one, the old one is not trusted any more.
 */

export interface RotatingSecret {
  /** As settings of a process. */
  readonly settings: Readonly<Record<string, string>>;
  /** As an application or a command line is given them. */
  readonly env: Readonly<Record<string, string>>;
  /** The authority that certificates are of. */
  authority(): Certificates;
  /** The three steps to another authority. Each has to be in use at every address before the next one is asked for. */
  steps(): AsyncGenerator<IsInUse>;
}

/** Of a server at `host:port`. */
export type IsInUse = (address: string) => Promise<boolean>;

/** Whether a client with a certificate of this authority, who trusts these, and the server agree. */
export async function agrees(address: string, authority: Certificates, ca: string): Promise<boolean> {
  const [host = '', port] = address.split(':');
  // In TLS 1.3 the client is done before the server has looked at its certificate.
  const tls = { ...authority.issue('somebody'), ca, maxVersion: 'TLSv1.2' as const, ALPNProtocols: ['h2', 'http/1.1'] };
  const socket = connect({ host, port: Number(port), ...tls });
  return new Promise<boolean>((resolve) => {
    socket.once('secureConnect', () => resolve(true)).on('error', () => resolve(false));
  }).finally(() => socket.destroy());
}

export async function createRotatingSecret(folder: string, names: readonly string[]): Promise<RotatingSecret> {
  let authority = createCertificates();
  let generation = 0;
  const at = (name: string): string => join(folder, name);
  const issue = () => authority.issue('lastcall', { moreNames: names });
  let pair = issue();

  async function mount(ca: string): Promise<void> {
    const next = `..${++generation}`;
    await mkdir(at(next));
    const files = { 'ca.crt': ca, 'tls.crt': pair.cert, 'tls.key': pair.key };
    for (const [name, text] of Object.entries(files)) await writeFile(join(at(next), name), text);
    await symlink(next, at('..data_tmp'));
    await rename(at('..data_tmp'), at('..data'));
    await rm(at(`..${generation - 1}`), { recursive: true, force: true });
  }
  await mount(authority.ca);
  for (const name of ['ca.crt', 'tls.crt', 'tls.key']) await symlink(join('..data', name), at(name));
  return {
    settings: { tlsCertFile: at('tls.crt'), tlsKeyFile: at('tls.key'), tlsCaFile: at('ca.crt') },
    env: {
      LASTCALL_TLS_CERT_FILE: at('tls.crt'),
      LASTCALL_TLS_KEY_FILE: at('tls.key'),
      LASTCALL_TLS_CA_FILE: at('ca.crt'),
    },
    authority: () => authority,
    steps: async function* () {
      const old = authority;
      authority = createCertificates();
      await mount(old.ca + authority.ca);
      yield (address) => agrees(address, authority, old.ca);
      pair = issue();
      await mount(old.ca + authority.ca);
      yield (address) => agrees(address, old, authority.ca);
      await mount(authority.ca);
      yield async (address) => !(await agrees(address, old, authority.ca));
    },
  };
}
