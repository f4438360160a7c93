import { setTimeout as sleep } from 'node:timers/promises';
import { LineError } from '../errors.ts';
import { abortError } from '../line/abort.ts';
import type { Channel } from '../line/channel.ts';
import { type ConnectedLine, openLine } from '../line/connect.ts';
import type { Line } from '../line/line.ts';
import { SHARED_LINE_CREDIT_BYTES } from '../protocol/limits.ts';
import { rehearse } from '../protocol/pake/passphrase.ts';
import type { Transport } from '../transports/transport.ts';
import { nodeCrypto } from './crypto.ts';
import { keepFreedMemory } from './memory.ts';
import { type Install, thisInstall } from './state/install.ts';
import { fingerprint } from './state/public-key.ts';
import { StretchedPassphrase } from './stretched-passphrase.ts';
import { dialTcp } from './transports/tcp.ts';

/** The port that postern serves on unless told otherwise, TCP and UDP. */
export const DEFAULT_PORT = 7678;

/**
 * Dials `host` over TCP and logs in with the passphrase. At the first login the server's key is pinned for this host and
 * port; from then on another key is `PIN`. A server that is `BUSY` is tried again until `connectTimeoutMs` is up.
 *
 * Without a passphrase the key of this machine is to open the line: for a server whose key is pinned, and that has this
 * machine in its list (`pairDevice`); `AUTH` if it has not, and `USAGE` without a pin.
 *
 * Throws `UNREACHABLE`, `AUTH`, `PIN`, `BUSY`, `VERSION`, `TIMEOUT`, `CANCELLED`, and `USAGE` for options that make no
 * sense.
 */
export async function connect(options: ConnectOptions): Promise<ConnectedLine> {
  const { host, port = DEFAULT_PORT, install = thisInstall() } = options;
  keepFreedMemory();
  const timeoutMs = options.connectTimeoutMs ?? DEFAULT_CONNECT_TIMEOUT_MS;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new LineError('USAGE', 'a port is a whole number from 1 to 65535');
  }
  if (!(timeoutMs > 0 && timeoutMs <= MAX_CONNECT_TIMEOUT_MS)) {
    throw new LineError('USAGE', 'connectTimeoutMs is more than 0 and at most 24 days');
  }
  const stretched = stretchFor(options);
  // Before anything is dialled; what counts is what checkPin sees.
  if (stretched === undefined && (await install.pins.lookup(host, port)) === undefined) throw unknownServer();
  const deadline = AbortSignal.timeout(Math.ceil(timeoutMs));
  const signal = options.signal === undefined ? deadline : AbortSignal.any([options.signal, deadline]);
  const reach = async (): Promise<Transport> => {
    options.onStage?.('dialling');
    const transport = await dialTcp(host, port, signal);
    options.onStage?.('reached');
    return transport;
  };
  const prepared = await prepare(reach, stretched, install, { host, port });
  const { prs, staticKey, pin } = prepared;
  let reached = prepared.transport;
  const connected = await untilAdmitted(options, signal, async () => {
    const transport = reached ?? (await reach());
    reached = undefined;
    return openLine(transport, {
      provider: nodeCrypto,
      prs,
      realm: stretched?.realm,
      staticKey,
      checkServerKey: key => checkPin(pin?.publicKey, key, stretched === undefined),
      onChannel: options.onChannel,
      agent: options.agent,
      creditBytes: options.sharesLine === true ? SHARED_LINE_CREDIT_BYTES : undefined,
      timeoutMs,
      signal,
    });
  });
  try {
    // Only now: the server has proven that it knows the passphrase. (Without one there was a pin.)
    if (pin === undefined) await install.pins.remember(host, port, connected.line.peer.key);
  } catch (thrown) {
    connected.line.abort(new LineError('CANCELLED', 'the other side cancelled'));
    throw thrown;
  }
  return connected;
}

export interface ConnectOptions {
  readonly host: string;
  readonly port?: number | undefined;
  /** The text, or what has been made of it for this realm before. Without one the key of this machine is to open the line. */
  readonly passphrase?: string | StretchedPassphrase | undefined;
  /** Which of the server's passphrases it is; the usual one is `''`. */
  readonly realm?: string | undefined;
  /** Whose keys and pins; default those of this user. */
  readonly install?: Install | undefined;
  /** For reaching the server and being let in, together; default 10 s. */
  readonly connectTimeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Hears how far it is: being dialled, answering, or answering that it is busy and will be asked again. */
  readonly onStage?: ((stage: 'dialling' | 'reached' | 'busy') => void) | undefined;
  /** What this side offers the server; nothing by default. */
  readonly onChannel?: ((channel: Channel, line: Line) => Promise<void>) | undefined;
  /** Name and version of the program, shown to the server after login. */
  readonly agent?: string | undefined;
  /** Several machines send on this line: an agent's, or one over which agents are reached. Each gets less room at first. */
  readonly sharesLine?: boolean | undefined;
}

/** What `connect` is given: the text is begun to be stretched. */
export function stretchFor({
  passphrase,
  realm,
}: Pick<ConnectOptions, 'passphrase' | 'realm'>): StretchedPassphrase | undefined {
  const stretched = typeof passphrase === 'string' ? new StretchedPassphrase(passphrase, realm) : passphrase;
  if (realm !== undefined && realm !== stretched?.realm) {
    throw new LineError('USAGE', 'a realm goes with its own passphrase');
  }
  return stretched;
}

/** What does not need the passphrase is done while it is stretched, the longest part of a login near by. */
async function prepare(
  reach: () => Promise<Transport>,
  stretched: StretchedPassphrase | undefined,
  install: Install,
  { host, port }: { readonly host: string; readonly port: number },
) {
  const reaching = reach();
  try {
    const [transport, staticKey, pin] = await Promise.all([
      reaching.then(reached => ({ reached, at: performance.now() })),
      install.deviceKey(),
      install.pins.lookup(host, port),
    ]);
    if (stretched !== undefined) rehearse(nodeCrypto);
    const prs = await stretched?.prs;
    const isFresh = performance.now() - transport.at < MAX_SILENCE_MS;
    if (!isFresh) transport.reached.destroy();
    return { prs, staticKey, pin, transport: isFresh ? transport.reached : undefined };
  } catch (thrown) {
    // Whatever failed first is told; a connection that nobody will use must not stay open.
    reaching.then(
      transport => transport.destroy(),
      () => {},
    );
    throw thrown;
  }
}

/** A server waits for HELLO longer than this; a machine that stretches so slowly dials anew. */
const MAX_SILENCE_MS = 2_000;

/** Tries again while the other side says that it is busy: what it suggests, but no longer than the signal lasts. */
async function untilAdmitted(
  options: ConnectOptions,
  signal: AbortSignal,
  attempt: () => Promise<ConnectedLine>,
): Promise<ConnectedLine> {
  let busy: LineError | undefined;
  for (;;) {
    try {
      return await attempt();
    } catch (thrown) {
      if (thrown instanceof LineError && thrown.code === 'BUSY') busy = thrown;
      // Out of time in the middle of a later attempt: what kept us out until then is the better answer.
      else if (busy !== undefined && thrown instanceof LineError && thrown.code === 'TIMEOUT') throw busy;
      else throw thrown;
    }
    options.onStage?.('busy');
    const waitMs = Math.min(Math.max(busy.retryAfterSeconds ?? 1, 1), MAX_RETRY_AFTER_SECONDS) * 1000;
    try {
      await sleep(waitMs, undefined, { signal });
    } catch {
      const error = abortError(signal);
      throw error.code === 'TIMEOUT' ? busy : error;
    }
  }
}

/** REJECT is not authenticated, so it may not make us wait for long without asking. */
const MAX_RETRY_AFTER_SECONDS = 60;
const DEFAULT_CONNECT_TIMEOUT_MS = 10_000;
/** A timer of Node holds no more. */
const MAX_CONNECT_TIMEOUT_MS = 2 ** 31 - 1;

/** `isNeeded`: there is no passphrase that could prove a server which nobody has met. */
function checkPin(pinned: Uint8Array | undefined, shown: Uint8Array, isNeeded: boolean): void {
  if (pinned === undefined && isNeeded) throw unknownServer();
  if (pinned === undefined || Buffer.compare(pinned, shown) === 0) return;
  throw new LineError(
    'PIN',
    `the key of this server has changed: pinned is ${fingerprint(pinned)}, shown was ${fingerprint(shown)}`,
  );
}

function unknownServer(): LineError {
  return new LineError('USAGE', 'without a passphrase the server must be known: log in with the passphrase once');
}
