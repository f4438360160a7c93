import type { ClassicProgram } from './program.ts';
import { struct } from './struct.ts';

/** All programs of the wing, in the order of help. To add one: its file, and its name here. */
export const PROGRAMS: readonly ClassicProgram[] = [struct];
