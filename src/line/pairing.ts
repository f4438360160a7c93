import { LineError } from '../errors.ts';
import type { JsonObject } from '../protocol/bytes/json.ts';
import { decodePaired, decodeRefused, encodePair, PAIRED, type Paired, REFUSED } from '../protocol/pairing.ts';
import { onAbort } from './abort.ts';
import type { Clock } from './clock.ts';
import type { ConnectedLine } from './connect.ts';

/**
 * Asks the server to let this machine in by its key from now on: the static key that this line was opened with, under
 * `name`. Works once on a line that was opened with the passphrase.
 *
 * Throws `FORBIDDEN` where the server's owner does not let machines pair, `EXISTS` for a name that another machine has,
 * `BAD_NAME`, `TOO_MANY`, `UNSUPPORTED` by a server that knows nothing of it, and what ends the line.
 */
export function pairDevice({ pairing }: ConnectedLine, options: PairDeviceOptions): Promise<Paired> {
  return pairing.ask(options);
}

export interface PairDeviceOptions {
  /** What this machine is to be called there: 1 to 64 characters that can be seen. */
  readonly name: string;
  readonly signal?: AbortSignal | undefined;
}

/** The client's half of the control messages about pairing, which its session hands on. */
export class PairingControl {
  readonly #options: PairingControlOptions;
  #asked: { readonly resolve: (paired: Paired) => void; readonly reject: (error: LineError) => void } | undefined;
  #wasAsked = false;
  #end: LineError | undefined;

  constructor(options: PairingControlOptions) {
    this.#options = options;
  }

  async ask({ name, signal }: PairDeviceOptions): Promise<Paired> {
    const message = encodePair(name.normalize('NFC').trim());
    if (this.#end !== undefined) throw this.#end;
    if (this.#wasAsked) throw new LineError('USAGE', 'a line is used once to pair');
    this.#wasAsked = true;
    this.#options.sendControl(message);
    const answered = new Promise<Paired>((resolve, reject) => {
      this.#asked = { resolve, reject };
    });
    const timer = this.#options.clock.after(ANSWER_TIMEOUT_MS, () =>
      this.#asked?.reject(new LineError('TIMEOUT', 'the other side did not say whether it has paired')),
    );
    const stopListening = onAbort(signal, error => this.#asked?.reject(error));
    try {
      return await answered;
    } finally {
      timer.cancel();
      stopListening();
    }
  }

  /** A control message; `true` if it is about this. What nobody has asked for is passed over. */
  received(type: string, message: JsonObject): boolean {
    if (type === PAIRED) this.#asked?.resolve(decodePaired(message));
    else if (type === REFUSED) this.#asked?.reject(decodeRefused(message));
    else return false;
    return true;
  }

  /** The line is over. */
  end(error: LineError = new LineError('CLOSED', 'the line is closed')): void {
    this.#end = error;
    this.#asked?.reject(error);
  }
}

export interface PairingControlOptions {
  readonly clock: Clock;
  sendControl(message: JsonObject): void;
}

const ANSWER_TIMEOUT_MS = 10_000;
