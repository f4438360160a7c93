// What `tsc -b` leaves to do: it never removes the output of a source that is gone, and npm sets the mode of a `bin` file
// only when it installs a package.
import { chmodSync, existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

for (const path of readdirSync('dist', { recursive: true })) {
  const source = /^(.*?)(\.d)?\.[jt]s$/.exec(path)?.[1];
  if (source !== undefined && !existsSync(join('src', `${source}.ts`))) rmSync(join('dist', path));
}
if (existsSync('dist/cli/main.js')) chmodSync('dist/cli/main.js', 0o755);
