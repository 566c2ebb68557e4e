import { main } from '@lastcall/runtime';
import { catalogModule } from './service.js';

void main(catalogModule);
