// Warns, and never fails, when something in src/ has grown beyond what is read in one go (CONTRIBUTING.md, "Style").
// Functions are found by their indentation, which the formatter guarantees.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const MAX_FILE_LINES = 400;
const MAX_FOLDER_FILES = 12;
const MAX_FUNCTION_LINES = 60;

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const files = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  .filter(entry => entry.isFile() && entry.name.endsWith('.ts'))
  .map(entry => join(entry.parentPath, entry.name))
  .sort();

for (const warning of [...files.flatMap(fileWarnings), ...folderWarnings()]) console.warn(`warning: ${warning}`);

function fileWarnings(file) {
  const path = relative(root, file);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const warnings = longFunctions(lines).map(
    ({ first, length }) => `${path}:${first}: a function of ${length} lines (over ${MAX_FUNCTION_LINES})`,
  );
  if (lines.length > MAX_FILE_LINES) warnings.unshift(`${path}: ${lines.length} lines (over ${MAX_FILE_LINES})`);
  return warnings;
}

function longFunctions(lines) {
  const found = [];
  for (const [index, line] of lines.entries()) {
    const indent = functionIndent(line);
    if (indent === undefined) continue;
    const end = lines.findIndex((other, at) => at > index && other.startsWith(`${indent}}`) && !opensBody(other));
    const length = end - index + 1;
    if (length > MAX_FUNCTION_LINES) found.push({ first: index + 1, length });
  }
  return found;
}

/** The indentation of a function, method or arrow function with a body that begins in this line. */
function functionIndent(line) {
  const declaration = /^( *)(?:export )?(?:default )?(?:async )?function\b/.exec(line);
  const method =
    /^( +)(?:(?:static|async|override|private|protected|get|set|\*) )*[#\w[\].]+(?:<.*>)?\([^;]*$/.exec(line) ??
    /^( *)(?:export )?(?:const|readonly) [#\w]+.*=> \{$/.exec(line);
  if (declaration) return declaration[1];
  if (!method || /^ *(?:if|for|while|switch|catch|return|await|throw|super)\b/.test(line)) return undefined;
  return /[{(]$/.test(line) ? method[1] : undefined;
}

/** `): Result {` ends the parameters of a function and begins its body. */
function opensBody(line) {
  return line.endsWith('{');
}

function folderWarnings() {
  const counts = new Map();
  for (const file of files) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  return [...counts]
    .filter(([, count]) => count > MAX_FOLDER_FILES)
    .map(([folder, count]) => `${relative(root, folder)}: ${count} files (over ${MAX_FOLDER_FILES})`);
}
