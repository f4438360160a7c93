import { LineError } from '../errors.ts';
import type { JsonObject } from '../protocol/bytes/json.ts';
import type { CryptoProvider, KeyPair } from '../protocol/crypto/provider.ts';
import { DGRAM, readDatagramPort } from '../protocol/datagrams/control.ts';
import { Endpoint } from '../protocol/endpoint.ts';
import { NONCE_BYTES } from '../protocol/handshake/messages.ts';
import type { Transport } from '../transports/transport.ts';
import { onAbort, toLineError } from './abort.ts';
import type { Channel } from './channel.ts';
import { type Clock, systemClock } from './clock.ts';
import { DatagramControl, DatagramOffer } from './datagram-offer.ts';
import type { Line } from './line.ts';
import { ourSettings } from './our-settings.ts';
import { PairingControl } from './pairing.ts';
import { LineSession } from './session.ts';
import { UnreadBudget } from './unread-budget.ts';

/**
 * Logs in over a connected transport and gives the line, by the passphrase, or without one by this device's key alone. The
 * transport belongs to the line from here on, also on failure.
 * Throws `AUTH` (wrong passphrase), `PIN`, `BUSY`, `VERSION`, `TIMEOUT`, `CANCELLED`, `TRUNCATED` and whatever the peer
 * broke.
 */
export async function openLine(transport: Transport, options: OpenLineOptions): Promise<ConnectedLine> {
  const { provider, clock = systemClock, prs, checkServerKey } = options;
  if (prs === undefined && checkServerKey === undefined) {
    transport.destroy();
    throw new LineError('USAGE', 'a login without a passphrase needs the key of the server: checkServerKey');
  }
  let welcome: JsonObject | undefined;
  const sendControl = (message: JsonObject): void => session.sendControl(message);
  const datagrams = new DatagramControl({ provider, clock, sendControl });
  const pairing = new PairingControl({ clock, sendControl });
  const session: LineSession = new LineSession(
    transport,
    clock,
    {
      role: 'initiator',
      provider,
      budget: new UnreadBudget(),
      onChannel: options.onChannel,
      onLogin: opened => datagrams.loggedIn(opened),
      onControl: (type, message) => {
        if (type === 'welcome') welcome = message;
        else if (type === DGRAM) datagrams.received(message);
        else return pairing.received(type, message);
        return true;
      },
      randomFraction: () => 0,
    },
    events =>
      Endpoint.initiator(provider, ourSettings(options.agent, { creditBytes: options.creditBytes }), events, {
        passphrase:
          prs === undefined ? undefined : { prs, realm: options.realm ?? '', pakeKey: provider.generateKeyPair() },
        staticKey: options.staticKey,
        nonce: provider.randomBytes(NONCE_BYTES),
        ephemeral: provider.generateKeyPair(),
        checkServerKey,
      }),
  );
  const timer = clock.after(options.timeoutMs ?? DEFAULT_LOGIN_TIMEOUT_MS, () =>
    session.abort(new LineError('TIMEOUT', 'the login took too long')),
  );
  const stopListening = onAbort(options.signal, error => session.abort(error));
  void session.closed.then(error => {
    datagrams.end(error);
    pairing.end(error);
  });
  try {
    session.start();
    const line = await session.ready;
    const port = welcome === undefined ? undefined : readDatagramPort(welcome);
    const offer = port === undefined ? undefined : new DatagramOffer(port, datagrams);
    return { line, allowed: readAllowed(welcome), datagrams: offer, pairing };
  } catch (thrown) {
    // Nobody gets the line, so nobody would close it.
    session.abort(toLineError(thrown));
    throw thrown;
  } finally {
    timer.cancel();
    stopListening();
  }
}

export interface OpenLineOptions {
  readonly provider: CryptoProvider;
  /** The stretched passphrase (`stretchPassphrase`). Without one this device must be in the server's list. */
  readonly prs?: Uint8Array | undefined;
  /** Which of the server's passphrases it is; the usual one is `''`. */
  readonly realm?: string | undefined;
  /** This device's dialling key. */
  readonly staticKey: KeyPair;
  /**
   * Throws `PIN` when the server's key is not the one expected; called before anything secret is sent. Without a passphrase
   * it is needed, and must let no key pass but a known one: nothing else proves the server then.
   */
  readonly checkServerKey?: ((serverKey: Uint8Array) => void) | undefined;
  /** What this side offers the server; nothing by default. */
  readonly onChannel?: ((channel: Channel, line: Line) => Promise<void>) | undefined;
  /** Name and version of the program, shown to the peer. */
  readonly agent?: string | undefined;
  /** First credit of each channel; 4 MiB unless given. Smaller where many may come that this side is slow to read. */
  readonly creditBytes?: number | undefined;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly clock?: Clock | undefined;
}

export interface ConnectedLine {
  readonly line: Line;
  /** What the server says this login may do; it decides anew at every channel. */
  readonly allowed: readonly string[];
  /** If this login may ask by datagrams. */
  readonly datagrams?: DatagramOffer | undefined;
  /** For `pairDevice`. */
  readonly pairing: Pick<PairingControl, 'ask'>;
}

const DEFAULT_LOGIN_TIMEOUT_MS = 15_000;

/** The server's first record carries SETTINGS and `welcome` together, so it is here when the line is ready. */
function readAllowed(welcome: JsonObject | undefined): readonly string[] {
  const names = welcome?.['caps'];
  if (!Array.isArray(names)) return [];
  return names.slice(0, 64).filter((name): name is string => typeof name === 'string' && name.length <= 64);
}
