/** Values that are dear to make, by key. Beyond `max` the oldest goes, so that no input makes it grow. */
export function createBoundedCache<V>(max: number, make: (key: string) => V): (key: string) => V {
  const made = new Map<string, V>();
  return (key) => {
    if (made.has(key)) return made.get(key) as V;
    const value = make(key);
    const [oldest] = made.keys();
    if (made.size >= max && oldest !== undefined) made.delete(oldest);
    made.set(key, value);
    return value;
  };
}
