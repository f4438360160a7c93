// Compiles the built command ahead, under the flags that it will run with. In a process of its own, because it changes them.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { Script } from 'node:vm';
import { setEngineFlags } from '../dist/cli/engine-flags.js';

const path = 'dist/bin/command.js';
setEngineFlags();
// Every function, not only what runs when the file is loaded. Flags count when the result is taken out: as it is then, it must be.
setFlagsFromString('--no-lazy');
const text = readFileSync(path);
const script = new Script(text.toString('latin1'), { filename: path });
setFlagsFromString('--lazy');
// With it the loader knows what this is of.
const digest = createHash('sha256').update(text).digest();
writeFileSync(`${path}.compiled`, Buffer.concat([script.createCachedData(), digest]));
