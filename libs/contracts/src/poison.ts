/** The event can never be taken in: unreadable bytes, for example. It goes to the dead letters at once. */
export class Poison extends Error {
  override readonly name = 'Poison';
}
