import {
  type ConnectedLine,
  type ConnectOptions,
  connect,
  LineError,
  type Permission,
  readConfig,
  StretchedPassphrase,
} from '../../node/index.ts';
import type { CommandContext } from '../context.ts';
import { formatHost, parseRemote, type RemotePlace } from '../place.ts';
import { obtainPassphrase } from '../secrets.ts';
import { escapeText } from '../terminal/escape.ts';
import { AGENT } from '../version.ts';

/** Options of commands that dial. */
export interface DialOptions {
  readonly port?: number;
  readonly passwordFile?: string;
  /** Seconds. */
  readonly connectTimeout?: number;
}

/** What a command that dials offers to the other side. */
export interface DialHooks {
  readonly onChannel?: ConnectOptions['onChannel'];
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
  options: DialOptions & DialHooks,
  onStage: (stage: 'dialling' | 'reached') => void = () => {},
): Promise<ConnectedLine> {
  const name = formatHost(place.host);
  const passphrase = await passphraseFor(context, place, options);
  context.phase = 'connecting';
  try {
    const connected = await context.transient(`connecting to ${escapeText(name)}…`, () =>
      connect({
        host: place.host,
        port: place.port,
        passphrase,
        connectTimeoutMs: (options.connectTimeout ?? DEFAULT_TIMEOUT_SECONDS) * 1000,
        agent: AGENT,
        signal: context.signal,
        onChannel: options.onChannel,
        onStage: stage => {
          if (stage !== 'busy') onStage(stage);
          else context.detail(`${name} is busy, trying again`);
        },
      }),
    );
    context.phase = 'working';
    context.detail(`logged in to ${name}; verifier ${connected.line.verifier}`);
    return connected;
  } catch (thrown) {
    throw tellMore(context, thrown, place, options);
  }
}

/** Asked once for each machine, and read once from a file or the environment, which may be a pipe. */
async function passphraseFor(
  context: CommandContext,
  { host, port }: Pick<RemotePlace, 'host' | 'port'>,
  options: DialOptions,
): Promise<StretchedPassphrase> {
  const isGiven = options.passwordFile !== undefined || context.passphraseFromEnvironment !== undefined;
  const key = isGiven ? '' : `${formatHost(host)}:${port}`;
  const kept = context.passphrases.get(key);
  if (kept !== undefined) return kept;
  const { text } = await obtainPassphrase({
    question: `passphrase for ${formatHost(host)}`,
    passwordFile: options.passwordFile,
    fromEnvironment: context.passphraseFromEnvironment,
    noInput: context.options.input === false,
    signal: context.signal,
  });
  const started = context.headStart;
  const stretched = started?.text === text ? started.stretched : new StretchedPassphrase(text);
  context.passphrases.set(key, stretched);
  return stretched;
}

/** Throws `FORBIDDEN` for what the login does not allow, before anything is asked or sent. */
export function requirePermission({ allowed }: ConnectedLine, permission: Permission, what: string): void {
  if (allowed.includes(permission)) return;
  throw new LineError('FORBIDDEN', `this login may not ${what} (${permission})`);
}

/** What the command knows better than the library: the time it was given, and the way out of a key that changed. */
function tellMore(
  context: CommandContext,
  thrown: unknown,
  { host, port }: Pick<RemotePlace, 'host' | 'port'>,
  options: DialOptions,
): unknown {
  if (!(thrown instanceof LineError)) return thrown;
  if (thrown.code === 'PIN') {
    const forget = `postern forget --port ${port} ${formatHost(host)}`;
    context.hint = `if the server was set up anew, run: ${forget}; else somebody may be in between`;
  }
  if (thrown.code !== 'TIMEOUT') return thrown;
  context.hint = 'check the address and the port, or allow more with --connect-timeout';
  return new LineError('TIMEOUT', `no login within ${options.connectTimeout ?? DEFAULT_TIMEOUT_SECONDS} s`, {
    cause: thrown,
  });
}

/** Runs `work` over a line to `place` and closes the line afterwards, in good order if the work went well. */
export async function withLine<T>(
  context: CommandContext,
  place: Pick<RemotePlace, 'host' | 'port'>,
  options: DialOptions & DialHooks,
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

const DEFAULT_TIMEOUT_SECONDS = 10;
