// npm sets the mode of a `bin` file when it installs a package; a build in the work tree has to do it itself.
import { chmodSync, existsSync } from 'node:fs';

if (existsSync('dist/cli/main.js')) chmodSync('dist/cli/main.js', 0o755);
