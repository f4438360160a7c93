import { control } from './control.ts';
import { desk } from './desk.ts';
import { exec } from './exec.ts';
import { files } from './files.ts';
import { hello } from './hello.ts';
import { hmac } from './hmac.ts';
import type { ClassicProgram } from './program.ts';
import { qq } from './qq.ts';
import { sticky } from './sticky.ts';
import { struct } from './struct.ts';
import { subprocess } from './subprocess.ts';
import { talk } from './talk.ts';
import { time } from './time.ts';

/** All programs of the wing, in the order of help. To add one: its file, and its name here. */
export const PROGRAMS: readonly ClassicProgram[] = [
  hello,
  talk,
  time,
  qq,
  control,
  exec,
  desk,
  hmac,
  files,
  sticky,
  struct,
  subprocess,
];
