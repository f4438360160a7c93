import { realpath } from 'node:fs/promises';
import type { Channel } from '../../line/channel.ts';
import type { Asker, AuditEntry, AuditLog } from '../../services/exec/audit.ts';
import { ExecHost } from '../../services/exec/host.ts';
import { ExecPolicy } from '../../services/exec/policy.ts';
import type { Service } from '../../services/service.ts';
import { toLineError } from '../node-errors.ts';
import { AuditFile } from '../state/audit-file.ts';
import { NodeProcessRunner } from './process-runner.ts';

/**
 * The exec service: commands of this machine, for whoever has the permission `exec`, as the user who runs this program.
 * They start in `directory`. Every start, refusal and end is recorded, by default in the audit file of this user.
 *
 * Throws `NOT_FOUND` if there is no such folder, and `USAGE` for a list that could mean something else than it says.
 */
export async function serveCommands(directory: string, options: CommandOptions = {}): Promise<CommandService> {
  const { only, audit = new AuditFile(), onAudit, onFault } = options;
  const folder = await realpath(directory).catch((thrown: unknown) => {
    throw toLineError(thrown, JSON.stringify(directory));
  });
  const host = new ExecHost({
    runner: new NodeProcessRunner(folder),
    policy: new ExecPolicy({ only, environment: process.env, isWindows: process.platform === 'win32' }),
    audit: {
      record: async entry => {
        onAudit?.(entry);
        await audit.record(entry);
      },
    },
    onFault,
  });
  return {
    ...host.service,
    run: (channel, asker) => host.run(channel, asker),
    close: () => host.close(),
  };
}

export interface CommandOptions {
  /** The commands that may run, each called exactly as it stands here; without it every command. See `ExecPolicy`. */
  readonly only?: readonly string[] | undefined;
  readonly audit?: AuditLog | undefined;
  /** Hears of each entry before it is recorded. */
  readonly onAudit?: ((entry: AuditEntry) => void) | undefined;
  readonly onFault?: ((thrown: unknown) => void) | undefined;
}

export interface CommandService extends Service {
  /** Runs the command of a channel that came in another way than through `listen`, for an asker who may. */
  run(channel: Channel, asker: Asker): Promise<void>;
  /** Ends what runs, but what was detached; for whoever made the service, once no server offers it any more. */
  close(): Promise<void>;
}
