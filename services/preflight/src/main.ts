import { main } from '@lastcall/runtime';
import { preflightModule } from './service.js';

void main(preflightModule);
