/* Texts that are no credential, whatever they look like. */

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const HEAD = part({ alg: 'EdDSA', kid: 'x', typ: 'JWT' });
const CLAIMS = part({
  iss: 'lastcall',
  aud: 'lastcall',
  sub: 'mallory',
  role: 'admin',
  jti: 'tok-x',
  iat: 1,
  exp: 9e9,
});

export const NO_CREDENTIALS: readonly string[] = [
  ...['', ' ', 'x', '.', '..', '...', 'a.b.c', 'null', '{}', 'Bearer Bearer'],
  ...[`${HEAD}.${CLAIMS}`, `${HEAD}.${CLAIMS}.`, `${HEAD}..AAAA`, `.${CLAIMS}.AAAA`, `${HEAD}.${CLAIMS}.AAAA.AAAA`],
  ...[
    `${HEAD}.${CLAIMS}.!!!!`,
    `${part([])}.${CLAIMS}.AAAA`,
    `${part('x')}.${part('y')}.AAAA`,
    `${HEAD}.${part(null)}.AAAA`,
  ],
  ...[{ alg: 'none' }, { alg: 'HS256' }, { alg: 'EdDSA', kid: '../../etc/passwd' }, { alg: 'EdDSA', kid: {} }].map(
    (head) => `${part(head)}.${CLAIMS}.AAAA`,
  ),
  ...[
    { alg: 'EdDSA', jku: 'http://127.0.0.1:1/' },
    { alg: 'EdDSA', crit: ['exp'] },
    { alg: 'EdDSA', b64: false },
  ].map((head) => `${part(head)}.${CLAIMS}.AAAA`),
  ...[`${HEAD}.${part({ sub: 'a', role: 'admin', exp: 'soon' })}.AAAA`, `${HEAD}.${part({ sub: {}, role: [] })}.AAAA`],
  ...[`${'a'.repeat(4_000)}.b.c`, `${HEAD}.${'A'.repeat(6_000)}.AAAA`],
];
