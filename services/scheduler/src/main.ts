import { main } from '@lastcall/runtime';
import { schedulerModule } from './service.js';

void main(schedulerModule);
