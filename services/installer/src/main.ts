import { main } from '@lastcall/runtime';
import { installerModule } from './service.js';

void main(installerModule);
