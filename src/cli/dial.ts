import { type ConnectedLine, connect, LineError, readConfig } from '../node/index.ts';
import type { CommandContext } from './context.ts';
import { formatHost, parseRemote, type RemotePlace } from './place.ts';
import { obtainPassphrase } from './secrets.ts';
import { escapeText } from './terminal/escape.ts';
import { AGENT } from './version.ts';

/** Options of commands that dial. */
export interface DialOptions {
  readonly port?: number;
  readonly passwordFile?: string;
  /** Seconds. */
  readonly connectTimeout?: number;
}

/** A place on another machine from its argument, with the aliases of the configuration. */
export async function remotePlace(text: string, options: DialOptions): Promise<RemotePlace> {
  const { hosts } = await readConfig();
  return parseRemote(text, { port: options.port, aliases: hosts });
}

/** Gets the passphrase, dials and logs in; the line closes when the command is over. */
export async function dial(
  context: CommandContext,
  place: Pick<RemotePlace, 'host' | 'port'>,
  options: DialOptions,
  onReached: () => void = () => {},
): Promise<ConnectedLine> {
  const name = formatHost(place.host);
  const passphrase = await obtainPassphrase({
    question: `passphrase for ${name}`,
    passwordFile: options.passwordFile,
    fromEnvironment: context.passphraseFromEnvironment,
    noInput: context.options.input === false,
    signal: context.signal,
  });
  const erase = context.transient(`connecting to ${escapeText(name)}…`);
  context.phase = 'connecting';
  try {
    const connected = await connect({
      host: place.host,
      port: place.port,
      passphrase: passphrase.text,
      connectTimeoutMs: (options.connectTimeout ?? 10) * 1000,
      agent: AGENT,
      signal: context.signal,
      onStage: stage => {
        if (stage === 'reached') onReached();
        else context.detail(`${name} is busy, trying again`);
      },
    });
    context.phase = 'working';
    context.detail(`logged in to ${name}; verifier ${connected.line.verifier}`);
    return connected;
  } finally {
    erase();
  }
}

/** Runs `work` over a line to `place` and closes the line afterwards, in good order if the work went well. */
export async function withLine<T>(
  context: CommandContext,
  place: Pick<RemotePlace, 'host' | 'port'>,
  options: DialOptions,
  work: (connected: ConnectedLine) => Promise<T>,
): Promise<T> {
  const connected = await dial(context, place, options);
  try {
    const result = await work(connected);
    await connected.line.close();
    return result;
  } catch (thrown) {
    connected.line.abort(new LineError('CANCELLED', 'the other side has given up'));
    await connected.line.closed;
    throw thrown;
  }
}
