import { CommandRunner } from '../../../classic/index.ts';
import { AuditFile } from '../../../node/index.ts';

/** What runs commands for a classic program: all of them, or those of `only`. They start in the current folder. */
export function makeCommands(kind: string, only: readonly string[] | undefined): CommandRunner {
  return new CommandRunner({
    kind,
    only,
    folder: process.cwd(),
    environment: process.env,
    isWindows: process.platform === 'win32',
    audit: new AuditFile(),
  });
}
