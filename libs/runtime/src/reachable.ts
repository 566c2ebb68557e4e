/** An address, or a URL, that means every interface, as this machine reaches it. */
export function reachable(address: string): string {
  return address.replace(/(^|\/\/)0\.0\.0\.0:/, '$1127.0.0.1:').replace(/(^|\/\/)\[::\]:/, '$1[::1]:');
}
