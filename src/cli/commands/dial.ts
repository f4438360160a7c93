import {
  type AgentRoutes,
  type Channel,
  type ConnectedLine,
  connect,
  DEFAULT_PORT,
  findAgent,
  KnownPeers,
  LineError,
  makeAgentRoutes,
  type Permission,
  type Route,
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

/** Options of commands that work with the machine they dial, or with one that has dialled in there. */
export interface ReachOptions extends DialOptions {
  /** The name of that one. */
  readonly on?: string;
}

/** What a command works with: the machine that was dialled, or an agent behind it. */
export interface Reached extends Omit<ConnectedLine, 'pairing'> {
  /** Where channels are opened: `line`, or the way over it. */
  readonly route: Route;
}

/** What a command that dials offers to the other side. */
export interface DialHooks {
  /** Several machines send on the line. */
  readonly sharesLine?: boolean;
  /** Begins what may be done while a passphrase is stretched. Called once for each line, if there is one to stretch. */
  readonly meanwhile?: (() => void) | undefined;
  /** Also where this machine is paired. */
  readonly byPassphrase?: boolean;
  readonly onChannel?: ((channel: Channel, route: Route) => Promise<void>) | undefined;
}

/** A place on another machine from its argument, with the aliases of the configuration. */
export async function remotePlace(text: string, options: DialOptions): Promise<RemotePlace> {
  const { hosts } = await readConfig();
  return parseRemote(text, { port: options.port, aliases: hosts });
}

/**
 * The same for a command that means a machine and none of its files. Throws `USAGE` for a path: most often it is a port,
 * written as other programs take it, and another one would be dialled. `why` tells what a path would be good for.
 */
export async function remoteHost(
  context: CommandContext,
  text: string,
  options: DialOptions,
  why = '',
): Promise<RemotePlace> {
  const place = await remotePlace(text, options);
  if (place.path === '') return place;
  const port = HOST_AND_PORT.exec(text)?.[1];
  if (port !== undefined) context.hint = `a port is --port ${port}, or postern://${text}`;
  throw new LineError('USAGE', `HOST has no path here${why}`);
}

/** Gets the passphrase if one is needed, dials and logs in; the line closes when the command is over. */
export async function dial(
  context: CommandContext,
  place: Pick<RemotePlace, 'host' | 'port'>,
  options: DialOptions & DialHooks,
  onStage: (stage: 'dialling' | 'reached') => void = () => {},
): Promise<ConnectedLine> {
  const name = formatHost(place.host);
  const passphrase = await (options.byPassphrase ? passphraseFor : loginFor)(context, place, options);
  context.phase = 'connecting';
  try {
    if (passphrase !== undefined) options.meanwhile?.();
    const connected = await context.transient(`connecting to ${escapeText(name)}…`, () =>
      connect({
        host: place.host,
        port: place.port,
        passphrase,
        connectTimeoutMs: (options.connectTimeout ?? DEFAULT_TIMEOUT_SECONDS) * 1000,
        agent: AGENT,
        signal: context.signal,
        onChannel: options.onChannel,
        sharesLine: options.sharesLine,
        onStage: stage => {
          if (stage !== 'busy') onStage(stage);
          else context.detail(`${name} is busy, trying again`);
        },
      }),
    );
    context.phase = 'working';
    context.isByKey = passphrase === undefined;
    context.detail(`logged in to ${name}; verifier ${connected.line.verifier}`);
    return connected;
  } catch (thrown) {
    throw tellMore(context, thrown, place, { ...options, passphrase });
  }
}

/**
 * What a login to `place` is to be by: the passphrase that was given to this command; else, where this machine is paired, its
 * key, which is `undefined`; else the passphrase that is asked for.
 */
export async function loginFor(
  context: CommandContext,
  place: Pick<RemotePlace, 'host' | 'port'>,
  options: DialOptions,
): Promise<StretchedPassphrase | undefined> {
  if (!isGiven(context, options) && (await new KnownPeers().lookup(place.host, place.port))?.isPaired) return undefined;
  return passphraseFor(context, place, options);
}

function isGiven(context: CommandContext, { passwordFile }: DialOptions): boolean {
  return passwordFile !== undefined || context.passphraseFromEnvironment !== undefined;
}

/** Asked once for each machine, and read once from a file or the environment, which may be a pipe. */
async function passphraseFor(
  context: CommandContext,
  { host, port }: Pick<RemotePlace, 'host' | 'port'>,
  options: DialOptions,
): Promise<StretchedPassphrase> {
  const key = isGiven(context, options) ? '' : `${formatHost(host)}:${port}`;
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

/** Throws `FORBIDDEN` for what the login, or the agent, does not allow, before anything is asked or sent. */
export function requirePermission(
  { allowed }: Pick<ConnectedLine, 'allowed'>,
  permission: Permission,
  what: string,
): void {
  if (allowed.includes(permission)) return;
  throw new LineError('FORBIDDEN', `this login may not ${what} (${permission})`);
}

/**
 * What the command knows better than the library: the time it was given, and the way out of a key that changed, or is not let
 * in any more.
 */
export function tellMore(
  context: CommandContext,
  thrown: unknown,
  { host, port }: Pick<RemotePlace, 'host' | 'port'>,
  options: DialOptions & { readonly passphrase: StretchedPassphrase | undefined },
): unknown {
  if (!(thrown instanceof LineError)) return thrown;
  if (thrown.code === 'AUTH' && options.passphrase === undefined) {
    const pair = `postern pair ${port === DEFAULT_PORT ? '' : `--port ${port} `}${formatHost(host)}`;
    context.why = 'this machine is not let in there without the passphrase any more, or somebody interfered';
    context.hint = `pair again: ${pair}; or give the passphrase this time`;
  }
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

/**
 * Runs `work` with the machine at `place`, or with the agent there that `on` names, and closes the line afterwards, in
 * good order if the work went well.
 */
export async function withLine<T>(
  context: CommandContext,
  place: Pick<RemotePlace, 'host' | 'port'>,
  options: ReachOptions & DialHooks,
  work: (reached: Reached) => Promise<T>,
): Promise<T> {
  const routes = makeAgentRoutes(options.onChannel);
  const onChannel: DialHooks['onChannel'] =
    options.on === undefined ? options.onChannel : (channel, line) => routes.handle(channel, line);
  const connected = await dial(context, place, {
    ...options,
    onChannel,
    sharesLine: options.sharesLine ?? options.on !== undefined,
  });
  try {
    const result = await work(await reach(context, connected, routes, options.on));
    await connected.line.close();
    return result;
  } catch (thrown) {
    hintAtAgent(context, thrown, options.on);
    connected.line.abort(new LineError('CANCELLED', 'the other side has given up'));
    await connected.line.closed;
    throw thrown;
  }
}

/** The machine at the other end of the line, or the agent behind it of that name; `UNREACHABLE` if that one is not there. */
export async function reach(
  context: CommandContext,
  connected: ConnectedLine,
  routes: AgentRoutes,
  name: string | undefined,
): Promise<Reached> {
  const { line } = connected;
  if (name === undefined) return { ...connected, route: line };
  requirePermission(connected, 'agents', 'reach machines there');
  try {
    const agent = await findAgent(line, name, { signal: context.signal });
    return { line, allowed: agent.allow, route: routes.to(line, agent) };
  } catch (thrown) {
    if (thrown instanceof LineError && thrown.code === 'UNREACHABLE') {
      context.hint = 'postern agents HOST shows who is there';
    }
    throw thrown;
  }
}

/** Of what an agent refuses, its owner decides, and not the server. */
export function hintAtAgent(context: CommandContext, thrown: unknown, on: string | undefined): void {
  if (on === undefined || !(thrown instanceof LineError) || thrown.code !== 'FORBIDDEN') return;
  context.hint ??= `postern may HOST --on ${on} shows what is allowed there; postern agent --allow grants it`;
}

/** `lab:7700`, `[::1]:7700`. */
const HOST_AND_PORT = /^(?:\[[^\]]*\]|[^/:[\]]+):(\d{1,5})$/;
const DEFAULT_TIMEOUT_SECONDS = 10;
