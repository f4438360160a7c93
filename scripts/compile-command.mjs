// Compiles the built command ahead, under the flags that it will run with. In a process of its own, because it changes them.
import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import { setEngineFlags } from '../dist/cli/engine-flags.js';

const path = 'dist/bin/command.js';
setEngineFlags();
// Every function, not only what runs when the file is loaded. Flags count when the result is taken out: as it is then, it must be.
setFlagsFromString('--no-lazy');
const script = new Script(readFileSync(path, 'latin1'), { filename: path });
setFlagsFromString('--lazy');
writeFileSync(`${path}.compiled`, script.createCachedData());
