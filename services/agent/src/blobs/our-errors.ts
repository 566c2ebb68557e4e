const OURS: readonly string[] = ['ENOSPC', 'EDQUOT', 'EACCES', 'EPERM', 'EROFS', 'EIO', 'EFBIG', 'EMFILE', 'ENFILE'];

/** An error of this host's own: nothing gets better by asking another server, or again. */
export function isOurs(error: unknown): boolean {
  const { code = '', path, syscall } = error as NodeJS.ErrnoException;
  return path !== undefined || (syscall !== 'connect' && OURS.includes(code));
}
