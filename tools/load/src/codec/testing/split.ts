/** The bytes in pieces, cut at these places; those beyond the end do nothing. */
export function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [0, ...cuts.filter((cut) => cut < bytes.length), bytes.length].toSorted((a, b) => a - b);
  return places.slice(1).map((place, i) => bytes.subarray(places[i], place));
}
