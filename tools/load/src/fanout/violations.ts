/* What must hold and did not. */

export class Violations {
  private readonly found: string[] = [];

  get list(): readonly string[] {
    return this.found;
  }

  expect(holds: boolean, what: string): void {
    if (!holds) this.found.push(`not true: ${what}`);
  }
}
