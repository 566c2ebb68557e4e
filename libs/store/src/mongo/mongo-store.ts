import { Defect } from '@lastcall/kernel';
import type { StoreOptions } from '../open-store.js';
import type { Store } from '../port.js';

export async function openMongoStore(_options: StoreOptions): Promise<Store> {
  throw new Defect('not built');
}
