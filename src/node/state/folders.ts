import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';

/** Where an install keeps what it must remember, by the XDG base directory specification; never in a served folder. */
export interface StateFolders {
  /** Keys. */
  readonly data: string;
  /** Pins, known clients, journals, chat, audit. */
  readonly state: string;
  /** config.toml. */
  readonly config: string;
}

export function stateFolders(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  home: string = homedir(),
): StateFolders {
  const folder = (variable: string, fallback: string) => {
    const base = environment[variable];
    // The specification: a path that is not absolute is to be ignored.
    return join(base && isAbsolute(base) ? base : join(home, fallback), 'postern');
  };
  return {
    data: folder('XDG_DATA_HOME', '.local/share'),
    state: folder('XDG_STATE_HOME', '.local/state'),
    config: folder('XDG_CONFIG_HOME', '.config'),
  };
}
