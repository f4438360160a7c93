import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';

/**
 * The command (run.ts), which the build has put together into one file beside this one and compiled ahead: finding its modules
 * and compiling them takes a fifth of the time in which a short command is over. What was compiled is taken by the engine of the
 * build alone, under the same flags; any other compiles the text as it does with every module. Of the text an engine compares
 * no more than the length: whether it is what was compiled is looked at here.
 */
export function loadCommand(): typeof import('./run.ts') {
  const path = fileURLToPath(new URL('command.js', import.meta.url));
  const bytes = readFileSync(path);
  // The build escapes whatever is not ASCII, and Latin-1 need not be decoded.
  const text = bytes.toString('latin1');
  const script = new Script(text, { filename: path, cachedData: readCompiled(`${path}.compiled`, bytes) });
  const module: { exports: unknown } = { exports: {} };
  const run = script.runInThisContext() as ModuleFunction;
  run(createRequire(path), module, path);
  return module.exports as typeof import('./run.ts');
}

/** What the build makes of the file: a module as Node's loader would call it, with what this one needs. */
type ModuleFunction = (require: NodeJS.Require, module: { exports: unknown }, path: string) => void;

/** What the build has made of this text (scripts/compile-command.mjs): what the engine takes, then the digest of the text. */
function readCompiled(path: string, text: Uint8Array): Buffer | undefined {
  let compiled: Buffer;
  try {
    compiled = readFileSync(path);
  } catch {
    return undefined;
  }
  const digest = createHash('sha256').update(text).digest();
  const end = compiled.length - digest.length;
  return end > 0 && compiled.subarray(end).equals(digest) ? compiled.subarray(0, end) : undefined;
}
