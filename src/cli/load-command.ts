import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

/**
 * The command (run.ts), which the build has put together into one file beside this one and compiled ahead: finding its modules
 * and compiling them takes a fifth of the time in which a short command is over. What was compiled is taken by the engine of the
 * build alone, under the same flags; any other compiles the text as it does with every module.
 */
export function loadCommand(): typeof import('./run.ts') {
  const path = fileURLToPath(new URL('command.js', import.meta.url));
  // The build escapes whatever is not ASCII, and Latin-1 need not be decoded.
  const text = readFileSync(path, 'latin1');
  const script = new Script(text, { filename: path, cachedData: readCompiled(`${path}.compiled`) });
  const module: { exports: unknown } = { exports: {} };
  const run = script.runInThisContext() as ModuleFunction;
  run(createRequire(path), module, path);
  return module.exports as typeof import('./run.ts');
}

/** What the build makes of the file: a module as Node's loader would call it, with what this one needs. */
type ModuleFunction = (require: NodeJS.Require, module: { exports: unknown }, path: string) => void;

function readCompiled(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
