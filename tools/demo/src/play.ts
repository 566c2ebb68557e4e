import type { Site } from './site.js';
import type { Stage } from './stage.js';

/** What an act plays with. */
export interface Play {
  readonly stage: Stage;
  readonly site: Site;
  readonly releases: Readonly<Record<'11.0.0' | '11.1.0' | '11.2.0', string>>;
}
