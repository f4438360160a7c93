import { createServer, type Server as TcpServer } from 'node:net';
import { LineError } from '../errors.ts';
import { toLineError as asLineError } from '../line/abort.ts';
import { withinCeiling } from '../line/ceiling.ts';
import type { Line } from '../line/line.ts';
import { Listener, type PairingAsked, type RejectedLogin } from '../line/listener.ts';
import type { ListenerDevices } from '../line/pairing-host.ts';
import type { AdmissionLimits } from '../protocol/admission/admission-limits.ts';
import { SHARED_LINE_CREDIT_BYTES } from '../protocol/limits.ts';
import { stretchPassphrase } from '../protocol/pake/passphrase.ts';
import type { Permission } from '../services/permission.ts';
import { datagramPermissions, dispatchChannels, dispatchDatagrams, offeredPermissions } from '../services/registry.ts';
import type { Service } from '../services/service.ts';
import type { DatagramPort } from '../transports/datagram.ts';
import { DEFAULT_PORT } from './connect.ts';
import { nodeCrypto } from './crypto.ts';
import { keepFreedMemory } from './memory.ts';
import { toLineError } from './node-errors.ts';
import { type Install, thisInstall } from './state/install.ts';
import { bindUdp } from './transports/datagram.ts';
import { acceptedTcp } from './transports/tcp.ts';

/**
 * Listens on TCP and serves `services` to whoever knows a passphrase, and to `devices`. Nothing is allowed that `allow` does not name. Where a
 * service that is allowed answers datagrams, it does so on the UDP port of the same number; one that cannot be had is told
 * to `onDatagramsFailed`, and everything else goes on.
 *
 * Throws `USAGE` for options that make no sense and `ACCESS` when the address cannot be had.
 */
export async function listen(options: ListenOptions): Promise<Server> {
  const { install = thisInstall(), port = DEFAULT_PORT } = options;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new LineError('USAGE', 'a port is a whole number from 0 to 65535');
  }
  keepFreedMemory();
  const passphrases = typeof options.passphrase === 'string' ? [{ text: options.passphrase }] : options.passphrase;
  if (new Set(passphrases.map(({ realm = '' }) => realm)).size < passphrases.length) {
    throw new LineError('USAGE', 'two passphrases have the same realm');
  }
  const realms = await Promise.all(
    passphrases.map(async ({ text, realm = '', generated = false, oneTime = false }: Passphrase) => ({
      name: realm,
      prs: await stretchPassphrase(nodeCrypto, text, realm),
      generated,
      uses: oneTime ? (1 as const) : undefined,
    })),
  );
  const services = options.services ?? [];
  const allow = options.allow ?? [];
  const offered = offeredPermissions(services, allow);
  const answer = options.datagrams === false ? undefined : dispatchDatagrams(services, allow);
  const listener = new Listener({
    provider: nodeCrypto,
    realms,
    staticKey: await install.hostKey(),
    // A generated passphrase lives as long as this listener, and so does the memory of who knew it.
    knownClients: realms.every(realm => realm.generated) ? undefined : await install.knownClients(),
    allowed: offered,
    onChannel: dispatchChannels(services, allow),
    onLine: options.onLine,
    onRejected: options.onRejected,
    onFault: options.onFault,
    limits: options.limits,
    devices: options.devices,
    onPairing: options.onPairing,
    datagrams:
      answer === undefined
        ? undefined
        : { ...options.datagrams, answer, permissions: withinCeiling(datagramPermissions(services), allow) },
    agent: options.agent,
    creditBytes: offered.includes('agents') ? SHARED_LINE_CREDIT_BYTES : undefined,
  });
  // The line turns reading on.
  const tcp = createServer({ pauseOnConnect: true }, socket => listener.accept(acceptedTcp(socket)));
  await bind(tcp, options.host, port).catch(async (thrown: unknown) => {
    // It listens to the list of machines, which would keep the process.
    await listener.close();
    throw thrown;
  });
  const server = new Server(tcp, listener);
  if (answer !== undefined) await server.answerDatagrams(options.onDatagramsFailed);
  return server;
}

/** A listening server. It keeps the process alive until it is closed. */
export class Server {
  readonly #tcp: TcpServer;
  readonly #listener: Listener;
  #udp: DatagramPort | undefined;

  /** Made by `listen`. */
  constructor(tcp: TcpServer, listener: Listener) {
    this.#tcp = tcp;
    this.#listener = listener;
  }

  /** As the operating system gave it: `::` or `0.0.0.0` for all addresses. */
  get address(): string {
    return this.#boundTo().address;
  }

  get port(): number {
    return this.#boundTo().port;
  }

  /** Connections that are logging in or logged in. */
  get connectionCount(): number {
    return this.#listener.connectionCount;
  }

  /** Takes no more connections and ends the lines: in good order within `graceMs`, then at once. */
  async close(graceMs?: number): Promise<void> {
    const closed = new Promise<void>(resolve => this.#tcp.close(() => resolve()));
    await this.#listener.close(graceMs);
    await Promise.all([closed, this.#udp?.close()]);
  }

  /** Whether questions by datagrams are answered. */
  get answersDatagrams(): boolean {
    return this.#udp !== undefined;
  }

  /** @internal Logins that were faster than this use channels alone. */
  async answerDatagrams(onFailed: ((error: LineError) => void) | undefined): Promise<void> {
    const { address, port } = this.#boundTo();
    try {
      this.#udp = await bindUdp(address, port);
    } catch (thrown) {
      onFailed?.(asLineError(thrown));
      return;
    }
    this.#listener.answerDatagrams(this.#udp, SAME_PORT);
  }

  #boundTo(): { address: string; port: number } {
    const address = this.#tcp.address();
    if (address === null || typeof address === 'string') throw new LineError('CLOSED', 'the server is closed');
    return address;
  }
}

/** Clients ask at the port that they dialled, so that ports can be passed on in pairs. */
const SAME_PORT = 0;

export interface ListenOptions {
  /** Address to listen on; default all of this machine's, which needs no further word because a passphrase guards it. */
  readonly host?: string | undefined;
  /** 0 takes any free port; default 7678. */
  readonly port?: number | undefined;
  /** What opens the door: one passphrase, or several by realm. */
  readonly passphrase: string | readonly Passphrase[];
  readonly services?: readonly Service[] | undefined;
  /** Permissions of everyone who logs in; default none. */
  readonly allow?: readonly Permission[] | undefined;
  /**
   * Who is let in by key alone (`AuthorizedKeys`), and whether who logs in with a passphrase may be put there; nobody by
   * default. The list belongs to the caller, who closes it after the server.
   */
  readonly devices?: ListenerDevices | undefined;
  /** A client has asked to be let in by its key from now on. */
  readonly onPairing?: ((asked: PairingAsked) => void) | undefined;
  /** Whose keys; default those of this user. */
  readonly install?: Install | undefined;
  readonly limits?: Partial<AdmissionLimits> | undefined;
  readonly onLine?: ((line: Line) => void) | undefined;
  readonly onRejected?: ((rejected: RejectedLogin) => void) | undefined;
  readonly onFault?: ((thrown: unknown) => void) | undefined;
  /** False: none are answered. `requestsPerSecond` of each line, 50 unless given. */
  readonly datagrams?: false | { readonly requestsPerSecond?: number | undefined } | undefined;
  /** The UDP port cannot be had: questions are answered over channels alone. */
  readonly onDatagramsFailed?: ((error: LineError) => void) | undefined;
  /** Name and version of the program, shown to clients after login. */
  readonly agent?: string | undefined;
}

export interface Passphrase {
  readonly text: string;
  /** `[a-z0-9._-]{0,64}`; the usual one is `''`. */
  readonly realm?: string | undefined;
  /** It was generated with at least 40 bits: wrong guesses are then worth little and do not close the door so soon. */
  readonly generated?: boolean | undefined;
  /** A code that one login uses up, be it right or wrong. */
  readonly oneTime?: boolean | undefined;
}

function bind(server: TcpServer, host: string | undefined, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', cause => reject(toLineError(cause, `port ${port}`)));
    server.listen({ port, host }, () => {
      server.removeAllListeners('error');
      // Accepting can fail later, for want of descriptors; the next connection is tried again by itself.
      server.on('error', () => {});
      resolve();
    });
  });
}
