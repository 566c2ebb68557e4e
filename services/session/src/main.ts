import './young-generation.js';
import { main } from '@lastcall/runtime';
import { sessionModule } from './service.js';

void main(sessionModule);
