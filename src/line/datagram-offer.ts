import { LineError } from '../errors.ts';
import type { JsonObject } from '../protocol/bytes/json.ts';
import type { CryptoProvider } from '../protocol/crypto/provider.ts';
import type { Session } from '../protocol/endpoint.ts';
import type { DatagramSocket } from '../transports/datagram.ts';
import type { Clock } from './clock.ts';
import { DatagramAsker } from './datagram-asker.ts';

/** What a line's server has said about datagrams, and the way to use it; one asker at a time. */
export class DatagramOffer {
  /** The UDP port at the address of the line; 0 is the one that was dialled. */
  readonly port: number;
  readonly #control: DatagramControl;

  /** Made by `openLine`. */
  constructor(port: number, control: DatagramControl) {
    this.port = port;
    this.#control = control;
  }

  /** Asks over `socket`, which belongs to the asker from here on. An asker that there was is closed. */
  open(socket: DatagramSocket): DatagramAsker {
    return this.#control.begin(socket);
  }
}

/** The client's half of the control messages about datagrams, which its session hands on. */
export class DatagramControl {
  readonly #options: DatagramControlOptions;
  #session: Session | undefined;
  #asker: DatagramAsker | undefined;
  #end: LineError | undefined;

  constructor(options: DatagramControlOptions) {
    this.#options = options;
  }

  loggedIn(session: Session): void {
    this.#session = session;
  }

  /** `dgram` of the server. */
  received(message: JsonObject): void {
    this.#asker?.opened(message);
  }

  begin(socket: DatagramSocket): DatagramAsker {
    this.#asker?.close();
    this.#asker = new DatagramAsker({ ...this.#options, exporter: this.#session!.exporter }, socket);
    if (this.#end !== undefined) this.#asker.end(this.#end);
    return this.#asker;
  }

  /** The line is over. */
  end(error: LineError = new LineError('CLOSED', 'the line is closed')): void {
    this.#end = error;
    this.#asker?.end(error);
  }
}

export interface DatagramControlOptions {
  readonly provider: CryptoProvider;
  readonly clock: Clock;
  sendControl(message: JsonObject): void;
}
